"""Schedules and entries in words, for people.

1. times      at which times of a day
2. days       on which days
3. schedule   what a schedule means, clock changes included
4. fields     what an entry is and what its fields ask for
"""
