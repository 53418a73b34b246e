"""The pure part: text and instants in, values out.

No clock, no file, no process, no random source.  Read it in this order, the order the data travels:

1.  columns    one time column: text <-> the values it allows
2.  zone       a civil time exists once, never or twice
3.  schedule   when does it fire after a given instant
4.  fields     the `name=value` fields of an entry, typed
5.  fieldtext  finding the fields in a line
6.  command    what the shell gets, what it reads, what people call it
7.  entry      the nouns: entry, setting, problem, table
8.  naming     what the entries of a table are called
9.  table      the text of a table -> entries, settings, problems
10. timetable  which entries are due, and when to look again
11. policy     what a due or missed fire time becomes
12. run        runs, attempts, outcomes and the only legal moves between their states
13. retry      does another attempt follow, and after what delay
14. report     what the journal is told
15. events     what may happen to the engine, and the effects it asks for
16. state      all that the engine knows between two events
17. engine     one event -> the next state and the effects to perform
"""
