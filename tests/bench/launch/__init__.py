"""What a launch costs: the daemon beside a bare C loop and other crons, in one run.

    python -m tests.bench.launch --fetch          get the peers that are not installed
    python -m tests.bench.launch                  measure, and print the ratios
    python -m tests.bench.launch --quick          the same with 200 entries, in about two minutes
    python -m tests.bench.launch --write          measure, and write docs/explanation/performance.md

Every contender has the same entries due at the same instant, and each due command appends the time
to one file.  Read it in this order:

1.  workshop        the folder of a run: the programs that it compiles, the file of stamps
2.  meter           CPU time, processes and memory of a contender and of all that it starts
3.  contender       what is measured: a program that has commands due at an instant
4.  limit           the bare vfork and exec loop in C
5.  ours            `cronjob daemon`, with its variants
6.  crons           cron, busybox crond and bcron, each with private copies of the files it reads
7.  schedulers      APScheduler, yacron and cronstable from the cache
8.  fetch           getting the peers into the cache
9.  burst           one contender, one burst: the figures
10. suite           which bursts there are, and how often each is repeated
11. goals           what was promised, beside what was reached
12. page            the figures as text
"""
