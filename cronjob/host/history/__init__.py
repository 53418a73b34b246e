"""The history in SQLite: the only place with SQL, all of it behind `ports.History` and `Reader`.

In the order of reading:

1. schema.sql   the tables
2. values       instants, texts and lists <-> what a column holds
3. database     opening, migrating and setting aside the file; what went wrong with it
4. rows         rows of runs and attempts -> values
5. finding      what a daemon finds when it starts
6. trimming     forgetting what is not to be kept
7. writing      changes -> rows
8. store        the history as the daemon has it: one transaction for each batch
9. reading      questions -> rows, beside a daemon that writes
"""
