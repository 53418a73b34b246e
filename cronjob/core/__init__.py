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
9.  directexec    the words of a command that needs no shell
10. entry         the nouns: entry, setting, problem, table
11. entryline     the line of one entry, taken apart
12. words         lists, counts, times and durations in English
13. conflicts     fields that contradict each other or the schedule
14. naming        what the entries of a table are called
15. table         the text of a table -> entries, settings, problems
16. config        what an administrator decides for the whole daemon
17. source        which files are tables, by place and by name
18. timetable     which entries are due, and when to look again
19. policy        what a due or missed fire time becomes
20. missed        one row for all fire times that passed without a start
21. waits         what a run waits for, and the words for it
22. run           runs, attempts, outcomes and the only legal moves between their states
23. retry         does another attempt follow, and after what delay
24. output        what is told and what is kept of what a command prints
25. report        what the journal is told
26. events        what may happen to the engine, and the effects it asks for
27. shelves       a large mapping of which a copy costs little
28. line          the runs that wait for slots, in their order
29. state         all that the engine knows between two events
30. draft         the state in the making: runs come and go, timers, effects
31. overlap       what happens when an earlier run of the entry is still going
32. pool          who holds how many slots, who stands in line, who is next
33. tokens        slots that a command shares out itself
34. gating        runs stop at their gates, are measured, and pass
35. admission     the way of a run through all of these, to its end
36. engine        one event -> the next state and the effects to perform
37. simulation    the engine with a fake clock, and a script of what attempts do
38. chronicle     what a simulation shows, one by one and in sum
39. clockchange   when the clocks of a zone change
40. marks         why a fire time stands where it stands, and which wall times have none
41. explain       schedules and entries in words
42. lint          what a table says and its writer probably did not mean
43. request       what is asked on the control socket
44. status        what a daemon is doing, and who may see and end it
"""
