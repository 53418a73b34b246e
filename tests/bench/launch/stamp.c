/* stamp FILE: append the wall time, 8 bytes of nanoseconds, to FILE.

   It stands for a command that costs nothing: freestanding, so that no library starts up. */

struct timespec { long seconds, nanoseconds; };

#if defined(__x86_64__)
enum { WRITE = 1, OPENAT = 257, CLOCK_GETTIME = 228, EXIT = 60 };
__asm__(".globl _start\n_start: mov %rsp, %rdi\n and $-16, %rsp\n call run\n");
static long call(long number, long a, long b, long c)
{
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c)
                     : "rcx", "r11", "memory");
    return result;
}
#elif defined(__aarch64__)
enum { WRITE = 64, OPENAT = 56, CLOCK_GETTIME = 113, EXIT = 93 };
__asm__(".globl _start\n_start: mov x0, sp\n bl run\n");
static long call(long number, long a, long b, long c)
{
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2) : "memory");
    return x0;
}
#else
#error "no system calls known for this machine"
#endif

#define HERE (-100)      /* AT_FDCWD */
#define APPEND (1 | 02000) /* O_WRONLY | O_APPEND */

void run(long *stack)
{
    struct timespec now;
    long stamp, file, code = 1;
    call(CLOCK_GETTIME, 0, (long)&now, 0);
    stamp = now.seconds * 1000000000L + now.nanoseconds;
    if (stack[0] == 2) {
        file = call(OPENAT, HERE, stack[2], APPEND);
        code = call(WRITE, file, (long)&stamp, sizeof stamp) != sizeof stamp;
    }
    for (;;)
        call(EXIT, code, 0, 0);
}
