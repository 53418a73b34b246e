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
21. catchup       which of the fire times that were missed are made up for
22. waits         what a run waits for, and the words for it
23. run           runs, attempts, outcomes and the only legal moves between their states
24. diagram         these states and moves, as a picture
25. notice        which mails and hooks follow the end of a run
26. record        what is kept of runs, and what a daemon finds of it
27. registry      which entries there have been, under which names, and since when
28. retry         does another attempt follow, and after what delay
29. output        what is told and what is kept of what a command prints
30. query         what the history is asked, and the rows that it answers with
31. report        what the journal is told
32. mail          the mail about a run that is over
33. hook          what the command of a hook is told about the run that it follows
34. events        what may happen to the engine, and the effects it asks for
35. shelves       a large mapping of which a copy costs little
36. line          the runs that wait for slots, in their order
37. state         all that the engine knows between two events
38. inventory     all that is unfinished, told to a history that has lost it
39. draft         the state in the making: runs come and go, timers, effects
40. overlap       what happens when an earlier run of the entry is still going
41. pool          who holds how many slots, who stands in line, who is next
42. tokens        slots that a command shares out itself
43. gating        runs stop at their gates, are measured, and pass
44. admission     the way of a run through all of these, to its end
45. firing        what is due begins, what comes late by rules of its own; where the plan goes on
46. restore       what the daemon before left goes on
47. engine        one event -> the next state and the effects to perform
48. simulation    the engine with a fake clock, and a script of what attempts do
49. chronicle     what a simulation shows, one by one and in sum
50. clockchange   when the clocks of a zone change
51. marks         why a fire time stands where it stands, and which wall times have none
52. explain       schedules and entries in words
53. lint          what a table says and its writer probably did not mean
54. request       what is asked on the control socket, and by whom
55. retelling     the history as it is told to programs
56. status        what a daemon is doing, as it is shown to who asks
"""
