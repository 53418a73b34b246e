"""The history in SQLite, behind `ports.History` and `Reader`, and the recorder before it.

In the order of reading; what is above `recorder` runs in a thread, and only here is SQL:

1.  schema.sql   the tables
2.  values       instants, texts and lists <-> what a column holds
3.  database     opening, migrating and setting aside the file; what went wrong with it
4.  rows         rows of runs and attempts -> values
5.  entries      entries <-> their rows
6.  finding      what a daemon finds when it starts
7.  trimming     forgetting what is not to be kept
8.  items        of which run an item is; those of one kind together
9.  writing      changes -> rows
10. store        the one daemon that writes: a transaction for each batch
11. reading      questions -> rows, beside a daemon that writes
12. renewal      opened when needed, begun anew when damaged
13. worker       the thread, as the loop has it
14. backlog      what is to be stored and is not yet, in order and bounded
15. outage       what is said while nothing can be stored, and the marker that is left
16. repair       what a new file begins with, when the old one is damaged
17. forgetting   when it is looked for what is not to be kept
18. recorder     the history as the daemon has it: who waits for the disk, and who does not
"""
