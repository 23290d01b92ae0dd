// A thread's system calls, counted by the kernel's "syscall user dispatch" (Documentation/admin-guide/syscall-user-dispatch.rst): while
// the selector says so, each call comes to a signal handler instead. The handler counts it and makes it in the thread's stead, from the one
// piece of code whose calls the kernel lets through. So a call takes a microsecond more, and no time is measured meanwhile.
//
// The driver has this in it; for the C# contestants it is compiled into a library of its own, because a signal handler cannot be C#.
#define _GNU_SOURCE 1
#include "system_calls.h"
#ifdef __x86_64__
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/ucontext.h>
#include <unistd.h>

#define SET_DISPATCH 59 // PR_SET_SYSCALL_USER_DISPATCH, unknown to older headers
#define LET_THROUGH 0
#define SIGNAL 1
#define HAS_RESTORER 0x04000000
#define INSTRUCTION_BYTES 2 // of "syscall"

static __thread __attribute__((tls_model("initial-exec"))) volatile char selector;
static __thread __attribute__((tls_model("initial-exec"))) int64_t calls;

// The code whose calls the kernel lets through: a call with its number and six arguments, and the return from a signal handler.
extern char let_through[], let_through_end[];
extern void return_from_signal(void);
extern long make_call(long number, long a, long b, long c, long d, long e, long f);
__asm__(".pushsection .text\n"
        "let_through:\n"
        "make_call:\n"
        "  mov %rdi, %rax\n  mov %rsi, %rdi\n  mov %rdx, %rsi\n  mov %rcx, %rdx\n  mov %r8, %r10\n  mov %r9, %r8\n  mov 8(%rsp), %r9\n"
        "  syscall\n"
        "  ret\n"
        "return_from_signal:\n"
        "  mov $15, %eax\n" // rt_sigreturn
        "  syscall\n"
        "  ud2\n" // the kernel looks at the address behind the call
        "let_through_end:\n"
        ".popsection\n");

static void on_call(int signal, siginfo_t *what, void *context) {
  (void)signal, (void)what;
  greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
  switch (registers[REG_RAX]) {
  case SYS_rt_sigreturn:
    // The end of another signal's handler, and no call of the thread's: it returns from here, on its own stack.
    registers[REG_RIP] = (greg_t)return_from_signal;
    return;
  case SYS_clone:
  case SYS_clone3:
  case SYS_fork:
  case SYS_vfork:
    // The child would come back into this handler. The thread makes the call itself, and is counted no further.
    calls++;
    selector = LET_THROUGH;
    registers[REG_RIP] -= INSTRUCTION_BYTES;
    return;
  default:
    calls++;
    registers[REG_RAX] = make_call(registers[REG_RAX], registers[REG_RDI], registers[REG_RSI], registers[REG_RDX], registers[REG_R10],
                                   registers[REG_R8], registers[REG_R9]);
  }
}

int system_calls_begin(void) {
  // As the kernel has it: the C library would put its own return from the handler in, which is not let through. All signals wait.
  struct {
    void (*handler)(int, siginfo_t *, void *);
    unsigned long flags;
    void (*restorer)(void);
    uint64_t mask;
  } action = {on_call, SA_SIGINFO | HAS_RESTORER, return_from_signal, ~0ull};
  calls = 0;
  selector = LET_THROUGH;
  if (syscall(SYS_rt_sigaction, SIGSYS, &action, NULL, sizeof action.mask)
      || prctl(SET_DISPATCH, 1, (unsigned long)let_through, (unsigned long)(let_through_end - let_through), &selector))
    return -1;
  selector = SIGNAL;
  return 0;
}

int64_t system_calls_end(void) {
  selector = LET_THROUGH;
  prctl(SET_DISPATCH, 0, 0, 0, 0);
  return calls;
}
#else
int system_calls_begin(void) { return -1; }
int64_t system_calls_end(void) { return 0; }
#endif
