/* What host/child.py does between fork and exec, as a program: no libc, so that to start it costs
   next to nothing.  host/native.py writes its words:

       child PARENT STEP... xCOUNT [WORD... ""] SHELL -c COMMAND

   PARENT is the pid of the launcher, a STEP one letter and its numbers or its path.  COUNT words
   are executed without a shell, and PWD= in the environment is theirs; when that fails, or COUNT
   is 0, SHELL is executed.  Descriptors are in their places.  Into REPORT go the index of a step
   and an errno, for host/native.py to put into words.  With fewer words it does nothing. */

#include <asm/errno.h>
#include <asm/unistd.h>

enum { REPORT = 3, FAILED = 127, MOST_GROUPS = 1000, LONGEST_PATH = 4096 };
enum { AT_FDCWD = -100, F_SETFD = 2, FD_CLOEXEC = 1, O_WRONLY = 1, SIGKILL = 9, SIG_SETMASK = 2 };
enum { PRIO_PROCESS = 0, PR_SET_PDEATHSIG = 1, SIGNAL_BYTES = 8 };
enum { FIRST_OF_GLIBC = 32, LAST_OF_GLIBC = 33 };

#if defined(__x86_64__)
__asm__(".globl _start\n_start: mov %rsp, %rdi\n and $-16, %rsp\n call begin\n hlt\n");

static long call(long number, long a, long b, long c, long d)
{
    register long fourth __asm__("r10") = d;
    long result;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(fourth)
                     : "rcx", "r11", "memory");
    return result;
}
#elif defined(__aarch64__)
__asm__(".globl _start\n_start: mov x0, sp\n bl begin\n");

static long call(long number, long a, long b, long c, long d)
{
    register long x8 __asm__("x8") = number, x0 __asm__("x0") = a, x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c, x3 __asm__("x3") = d;
    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3) : "memory");
    return x0;
}
#else
#error "this processor is not known here; host/child.py does without"
#endif

#define CALL4(name, a, b, c, d) call(__NR_##name, (long)(a), (long)(b), (long)(c), (long)(d))
#define CALL3(name, a, b, c) CALL4(name, a, b, c, 0)
#define CALL1(name, a) CALL4(name, a, 0, 0, 0)
#define CALL0(name) CALL4(name, 0, 0, 0, 0)

static long step; /* index of the one under way */
static long parent;

static __attribute__((noreturn)) void leave(long status)
{
    for (;;)
        CALL1(exit_group, status);
}

static char *digits(char *end, long number)
{
    do
        *--end = (char)('0' + number % 10);
    while ((number /= 10) > 0);
    return end;
}

/* One record: e (an error) or n (a note), the step, a colon, the errno. */
static void tell(char kind, long error)
{
    char text[48], *end = text + sizeof text, *at = end;
    *--at = '\0';
    at = digits(at, error);
    *--at = ':';
    at = digits(at, step);
    *--at = kind;
    CALL3(write, REPORT, at, end - at);
}

static __attribute__((noreturn)) void fail(long error)
{
    tell('e', error);
    leave(FAILED);
}

static long must(long result)
{
    if (result < 0)
        fail(-result);
    return result;
}

/* The next decimal number; what separates it from the one after is passed over. */
static long next(const char **text)
{
    long value = 0, minus = **text == '-';
    const char *at = *text + minus;
    for (; *at >= '0' && *at <= '9'; at++)
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, *at - '0', &value))
            fail(EINVAL);
    *text = *at ? at + 1 : at;
    return minus ? -value : value;
}

static void enter_cgroup(const char *path)
{
    long file = must(CALL3(openat, AT_FDCWD, path, O_WRONLY));
    must(CALL3(write, file, "0", 1));
    CALL1(close, file);
}

static void limit(const char *numbers)
{
    long resource = next(&numbers);
    unsigned long bounds[2];
    bounds[0] = (unsigned long)next(&numbers);
    bounds[1] = (unsigned long)next(&numbers);
    must(CALL4(prlimit64, 0, resource, bounds, 0));
}

/* Of a user or a group.  To cut 2^32 down to 32 bits would make it root's. */
static unsigned id(const char **numbers)
{
    long value = next(numbers);
    if (value != (unsigned)value)
        fail(EINVAL);
    return (unsigned)value;
}

/* Verified, because -1 means "leave it" to these calls. */
static void take_credentials(const char *numbers)
{
    static unsigned groups[MOST_GROUPS];
    unsigned uid = id(&numbers), gid = id(&numbers), now[6];
    long count = 0;
    if (CALL0(geteuid) == 0) {
        while (*numbers && count < MOST_GROUPS)
            groups[count++] = id(&numbers);
        must(CALL3(setgroups, count, groups, 0));
        must(CALL3(setresgid, gid, gid, gid));
        must(CALL3(setresuid, uid, uid, uid));
    }
    must(CALL3(getresuid, now, now + 1, now + 2));
    must(CALL3(getresgid, now + 3, now + 4, now + 5));
    for (long at = 0; at < 6; at++)
        if (now[at] != (at < 3 ? uid : gid))
            fail(0);
}

static void enter(const char *path)
{
    long error = CALL1(chdir, path);
    if (error < 0) {
        must(CALL1(chdir, "/"));
        tell('n', -error);
    }
}

/* After the credentials, which clear it; a parent gone before it is not noticed by it. */
static void die_with_parent(void)
{
    must(CALL4(prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0));
    if (CALL0(getppid) != parent)
        leave(FAILED);
}

static void perform(const char *word)
{
    const char *rest = word + 1;
    switch (*word) {
    case 's': must(CALL0(setsid)); break;
    case 'c': enter_cgroup(rest); break;
    case 'l': limit(rest); break;
    case 'n': must(CALL3(setpriority, PRIO_PROCESS, 0, next(&rest))); break;
    case 'u': take_credentials(rest); break;
    case 'm': CALL1(umask, next(&rest)); break;
    case 'd': enter(rest); break;
    case 'p': die_with_parent(); break;
    default: fail(EINVAL);
    }
}

/* Where the variable is whose name and equals sign are given; at the end when there is none. */
static char **variable(char **environment, const char *name)
{
    for (; *environment; environment++) {
        const char *at = *environment, *wanted = name;
        while (*wanted && *at == *wanted)
            at++, wanted++;
        if (!*wanted)
            break;
    }
    return environment;
}

/* Comes back unless a program was executed.  Whatever a shell would look at more closely is left
   to it: an empty element, a file that is there and cannot be executed. */
static void search(char **words, char **environment)
{
    static char candidate[LONGEST_PATH];
    const char *at, *path, *found;
    for (at = words[0]; *at; at++)
        if (*at == '/') {
            CALL3(execve, words[0], words, environment);
            return;
        }
    found = *variable(environment, "PATH=");
    for (path = found ? found + 5 : ""; *path && *path != ':'; path++) {
        char *to = candidate, *end = candidate + sizeof candidate - 2;
        while (*path && *path != ':' && to < end)
            *to++ = *path++;
        *to++ = '/';
        for (at = words[0]; *at && to <= end; at++)
            *to++ = *at;
        if (to > end)
            return;
        *to = '\0';
        long error = CALL3(execve, candidate, words, environment);
        if (error != -ENOTDIR &&
            !(error == -ENOENT && CALL3(faccessat, AT_FDCWD, candidate, 0) < 0))
            return;
        if (!*path)
            return;
    }
}

static void execute(char **words, char **environment)
{
    static char directory[LONGEST_PATH + 4] = "PWD=";
    const char *rest = *words++ + 1;
    long count = next(&rest);
    static const unsigned long none, standard[4]; /* an empty mask, a struct sigaction */
    /* posix_spawn of glibc has them ignored. */
    for (long number = FIRST_OF_GLIBC; number <= LAST_OF_GLIBC; number++)
        CALL4(rt_sigaction, number, standard, 0, SIGNAL_BYTES);
    /* Only now: a TERM that came on the way was kept and ends the command, not lost. */
    CALL4(rt_sigprocmask, SIG_SETMASK, &none, 0, SIGNAL_BYTES);
    if (count > 0) {
        char **place = variable(environment, "PWD="), **last = place;
        if (!*place)
            fail(EINVAL);
        words[count] = 0;
        *place = directory;
        if (CALL3(getcwd, directory + 4, LONGEST_PATH, 0) > 0 && directory[4] == '/')
            search(words, environment);
        while (last[1])
            last++;
        *place = *last; /* a shell sets its own */
        *last = 0;
        words += count + 1;
    }
    fail(-CALL3(execve, words[0], words, environment));
}

__attribute__((noreturn, used)) void begin(long *stack)
{
    char **words = (char **)(stack + 1), **environment = words + stack[0] + 1;
    if (stack[0] < 4)
        leave(0);
    const char *rest = words[1];
    parent = next(&rest);
    must(CALL3(fcntl, REPORT, F_SETFD, FD_CLOEXEC));
    for (words += 2; *words && **words != 'x'; words++, step++)
        perform(*words);
    if (*words)
        execute(words, environment);
    fail(EINVAL);
}
