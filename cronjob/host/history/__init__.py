"""The history in SQLite, behind `ports.History` and `Reader`, and the recorder before it.

In the order of reading; what is above `recorder` runs in a thread, and only here is SQL:

1.  schema.sql   the tables
2.  values       instants, texts and lists <-> what a column holds
3.  database     opening, migrating and setting aside the file; what went wrong with it
4.  rows         rows of runs and attempts -> values
5.  finding      what a daemon finds when it starts
6.  trimming     forgetting what is not to be kept
7.  writing      changes -> rows
8.  store        the one daemon that writes: a transaction for each batch
9.  reading      questions -> rows, beside a daemon that writes
10. renewal      opened when needed, begun anew when damaged
11. worker       the thread, as the loop has it
12. backlog      what is to be stored and is not yet, in order and bounded
13. outage       what is said while nothing can be stored, and the marker that is left
14. recorder     the history as the daemon has it: who waits for the disk, and who does not
"""
