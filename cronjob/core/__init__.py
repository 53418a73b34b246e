"""The pure part: text and instants in, values out.

No clock, no file, no process, no random source.  Read it in this order, the order the data travels:

1.  columns       one time column: text <-> the values it allows
2.  zone          a civil time exists once, never or twice
3.  walltimes     the wall times that five columns match
4.  schedule      when does it fire after a given instant
5.  gates         conditions that must hold before a run may start
6.  fields        the `name=value` fields of an entry, typed
7.  fieldtext     finding the fields in a line
8.  command       what the shell gets, what it reads, what people call it
9.  entry         the nouns: entry, setting, problem, table
10. entryline     the line of one entry, taken apart
11. words         lists, counts, times and durations in English
12. conflicts     fields that contradict each other or the schedule
13. naming        what the entries of a table are called
14. table         the text of a table -> entries, settings, problems
15. config        what an administrator decides for the whole daemon
16. source        which files are tables, by place and by name
17. timetable     which entries are due, and when to look again
18. policy        what a due or missed fire time becomes
19. missed        one row for all fire times that passed without a start
20. run           runs, attempts, outcomes and the only legal moves between their states
21. retry         does another attempt follow, and after what delay
22. report        what the journal is told
23. events        what may happen to the engine, and the effects it asks for
24. state         all that the engine knows between two events
25. draft         the state in the making: runs begin, wait, are launched, end
26. engine        one event -> the next state and the effects to perform
27. simulation    the engine with a fake clock, and a script of what attempts do
28. chronicle     what a simulation shows, one by one and in sum
29. clockchange   when the clocks of a zone change
30. marks         why a fire time stands where it stands, and which wall times have none
31. explain       schedules and entries in words
32. lint          what a table says and its writer probably did not mean
"""
