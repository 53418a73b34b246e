/* loop INSTANT COUNT ABREAST PROGRAM ARGUMENT...: the least that COUNT launches can cost.

   It sleeps until INSTANT (seconds of the epoch), starts PROGRAM that often with vfork and exec,
   at most ABREAST at a time, reaps all of them, and waits for SIGTERM. */

#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    if (argc < 5)
        return 2;
    struct timespec instant = {.tv_sec = atol(argv[1])};
    int count = atoi(argv[2]), abreast = atoi(argv[3]), going = 0;
    char *environment[] = {"PATH=/usr/bin:/bin", "SHELL=/bin/sh", "HOME=/", NULL};

    clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &instant, NULL);
    while (count > 0 || going > 0) {
        if (count > 0 && going < abreast) {
            pid_t pid = vfork();
            if (pid == 0) {
                execve(argv[4], argv + 4, environment);
                _exit(127);
            }
            if (pid < 0)
                return 1;
            count--, going++;
        } else if (wait(NULL) > 0) {
            going--;
        }
    }
    pause();
}
