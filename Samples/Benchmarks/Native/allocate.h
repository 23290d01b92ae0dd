// What a workload allocates with. Compiled with ALLOCATE_NULL there is no allocator: each place has its room in one buffer, and what is
// measured is the loop itself. Otherwise malloc, which is the C library's or that of the library that was preloaded.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#ifdef ALLOCATE_NULL
extern char *null_buffer;
extern size_t null_place_bytes;
#define ALLOCATE(bytes, place) ((void)(bytes), (void *)(null_buffer + (size_t)(place) * null_place_bytes))
#define RELEASE(block) __asm__ volatile("" ::"r"(block) : "memory")
#define RESIZE(block, bytes) (block)
#else
#define ALLOCATE(bytes, place) malloc(bytes)
#define RELEASE(block) free(block)
#define RESIZE(block, bytes) realloc(block, bytes)
#endif

// G. Marsaglia, "Xorshift RNGs", Journal of Statistical Software 8 (14), 2003: the triple 13, 17, 5.
static inline uint32_t next_random(uint32_t random) {
  random ^= random << 13;
  random ^= random >> 17;
  random ^= random << 5;
  return random;
}
