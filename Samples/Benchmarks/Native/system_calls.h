// Counts the system calls of a thread between two moments, without any right to trace (Linux 5.11, x86-64).
#pragma once
#include <stdint.h>

// Begins to count the calling thread's system calls. Returns 0, or -1 where this system does not offer it.
int system_calls_begin(void);

// Ends it, and returns how many there were.
int64_t system_calls_end(void);
