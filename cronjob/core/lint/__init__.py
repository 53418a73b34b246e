"""What a table may say and its writer probably did not mean.

1. subject    what a lint sees, and what it says
2. times      lints of schedules, timeouts and retries
3. commands   lints of what the shell gets and starts
4. users      lints of what is taken for the user
5. limits     lints of fields that leave a command nothing to run with
6. settings   lints of environment lines
7. codes      all lints by their codes
"""
