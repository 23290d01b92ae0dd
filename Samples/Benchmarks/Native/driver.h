// What the parts of the native driver share: what they allocate with, the clock, and how they report.
//
// Compiled with ALLOCATE_NULL there is no allocator: each place has its room in one buffer, and what is measured is the loop itself.
// Otherwise it is malloc: the C library's, or that of the library that was preloaded.
#pragma once
#define _GNU_SOURCE 1
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#ifdef ALLOCATE_NULL
#define ALLOCATE(bytes, place) ((void)(bytes), (void *)(null_buffer + (size_t)(place) * null_place_bytes))
#define RELEASE(block) __asm__ volatile("" ::"r"(block) : "memory")
#define RESIZE(block, bytes) (block)
#else
#define ALLOCATE(bytes, place) ((void)(place), malloc(bytes))
#define RELEASE(block) free(block)
#define RESIZE(block, bytes) realloc(block, bytes)
#endif

extern char *null_buffer;
extern size_t null_place_bytes;

// Makes room for so many live blocks, for the empty loop; nothing otherwise.
void make_places(size_t places, size_t largest_bytes);

// Of each repetition, in nanoseconds; the first is the warm-up's.
#define MOST_REPETITIONS 1000
extern uint64_t times[MOST_REPETITIONS + 1];

// Prints the times of the repetitions after the warm-up, and what the work left behind.
void report(int repetitions, uint64_t checksum);

// Makes the peak of resident memory start again, and gives what is resident now, in bytes. Then: the peak since.
uint64_t begin_peak(void);
uint64_t peak_bytes(void);

// Prints the peak since, less what was resident at its beginning.
void report_peak(uint64_t base);

static inline uint64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

// G. Marsaglia, "Xorshift RNGs", Journal of Statistical Software 8 (14), 2003: the triple 13, 17, 5.
static inline uint32_t next_random(uint32_t random) {
  random ^= random << 13;
  random ^= random >> 17;
  random ^= random << 5;
  return random;
}

// The size of the block that a random number asks for: 16 to 1,039 bytes.
static inline size_t bytes_of(uint32_t random) { return 16 + ((random >> 8) & 1023); }

// A new block, its first and last byte written.
static inline uint8_t *new_block(size_t bytes, uint32_t place, uint32_t random) {
  (void)place;
  uint8_t *block = ALLOCATE(bytes, place);
  block[0] = (uint8_t)random;
  block[bytes - 1] = (uint8_t)random;
  return block;
}

// The random-mixed loop, which several workloads do.
void mixed_loop(uint8_t **slots, uint64_t operations, uint32_t working_set, uint32_t first_place, uint32_t seed);
uint32_t mixed_checksum(uint8_t **slots, uint32_t working_set);
void mixed_clear(uint8_t **slots, uint32_t working_set);

// The workloads. Numbers are those of the command line.
void pair(const uint64_t *numbers);
void batch(int is_random, const uint64_t *numbers);
void mixed(const uint64_t *numbers);
void producer_consumer(const uint64_t *numbers);
void server(const uint64_t *numbers);
void threads(const uint64_t *numbers);
void grow(const uint64_t *numbers);
void frame(const uint64_t *numbers);
void dispose(const uint64_t *numbers);
void prewarm(const uint64_t *numbers);
void mixed_cold(const uint64_t *numbers);
void drift(const uint64_t *numbers);
void longest_call(const uint64_t *numbers);
void replay(const char *path);
void scaling(const char *name, const uint64_t *numbers);
