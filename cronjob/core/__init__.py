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
15. nearest       which label was probably meant by one that nothing has
16. table         the text of a table -> entries, settings, problems
17. config        what an administrator decides for the whole daemon
18. source        which files are tables, by place and by name
19. timetable     which entries are due, and when to look again
20. policy        what a due or missed fire time becomes
21. missed        one row for all fire times that passed without a start
22. catchup       which of the fire times that were missed are made up for
23. waits         what a run waits for, and the words for it
24. outcome       how attempts and runs end
25. attempt       one process of a run: what it waited for, and how it ended
26. run           runs, and the only legal moves between their states
27. diagram         these states and moves, as a picture
28. notice        what follows a run that is over: a mail or a hook
29. telling       who is told: which notices follow a run that is over
30. record        what is kept of runs: the changes that a step makes to the history
31. found         what a daemon finds in the history when it starts
32. registry      which entries there have been, under which names, and since when
33. retry         does another attempt follow, and after what delay
34. output        what is told and what is kept of what a command prints
35. query         what the history is asked, and the rows that it answers with
36. report        what the journal is told
37. mail          the mail about a run that is over
38. hook          what the command of a hook is told about the run that it follows
39. events        what may happen to the engine, and the effects it asks for
40. shelves       a large mapping of which a copy costs little
41. line          the runs that wait for slots, in their order
42. state         all that the engine knows between two events
43. inventory     all that is unfinished, told to a history that has lost it
44. draft         the state in the making: runs come and go, timers, effects
45. overlap       what happens when an earlier run of the entry is still going
46. pool          who holds how many slots, who stands in line, who is next
47. tokens        slots that a command shares out itself
48. gating        runs stop at their gates, are measured, and pass
49. admission     the way of a run through all of these, to its end
50. firing        what is due begins, what comes late by rules of its own; where the plan goes on
51. renaming      what goes on of entries that are called otherwise now
52. restore       what the daemon before left goes on
53. engine        one event -> the next state and the effects to perform
54. simulation    the engine with a fake clock, and a script of what attempts do
55. chronicle     what a simulation shows, one by one and in sum
56. clockchange   when the clocks of a zone change
57. marks         why a fire time stands where it stands, and which wall times have none
58. explain       schedules and entries in words
59. lint          what a table says and its writer probably did not mean
60. request       what is asked on the control socket, and by whom
61. retelling     the history as it is told to programs
62. remembered    a run that is over, while the history does not have it
63. status        what a daemon is doing, as it is shown to who asks
"""
