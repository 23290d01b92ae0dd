// The benchmarks' workloads in C, for the native allocators without any interop: the same random numbers, the same operations and the
// same writes as the C# loops beside it, so that the checksums are equal.
//   driver WORKLOAD NUMBER...     prints "nanoseconds A B C ..." (the whole of each repetition after the warm-up) and "checksum N"
//   driver who                    prints the file that malloc comes from
#define _GNU_SOURCE 1
#include "allocate.h"
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#ifdef ALLOCATE_NULL
char *null_buffer;
size_t null_place_bytes;
#endif

static void make_places(size_t places, size_t largest_bytes) {
#ifdef ALLOCATE_NULL
  null_place_bytes = largest_bytes + 64;
  null_buffer = calloc(places, null_place_bytes);
#else
  (void)places, (void)largest_bytes;
#endif
}

static uint64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static void report(const uint64_t *nanoseconds, int repetitions, uint64_t checksum) {
  printf("nanoseconds");
  for (int repetition = 1; repetition <= repetitions; repetition++) printf(" %llu", (unsigned long long)nanoseconds[repetition]);
  printf("\nchecksum %llu\n", (unsigned long long)checksum);
}

#define MOST_REPETITIONS 1000
static uint64_t times[MOST_REPETITIONS + 1]; // the first is the warm-up's

// ---- pair: allocate, write 8 bytes, free

static __attribute__((noinline)) uint64_t pair_loop(size_t bytes, long pairs) {
  uint64_t sum = 0;
  for (long pair = 0; pair < pairs; pair++) {
    volatile uint64_t *block = ALLOCATE(bytes, 0);
    *block = (uint64_t)pair;
    sum += *block;
    RELEASE((void *)block);
  }
  return sum;
}

static void pair(size_t bytes, long pairs, int repetitions) {
  make_places(1, bytes);
  uint64_t sum = 0;
  for (int repetition = 0; repetition <= repetitions; repetition++) {
    uint64_t start = now();
    sum = pair_loop(bytes, pairs);
    times[repetition] = now() - start;
  }
  report(times, repetitions, sum);
}

// ---- batch: allocate 1,000, free them in the order they came or in a random one

#define BATCH 1000
#define ORDERS 64
static uint16_t orders[ORDERS][BATCH];
static void *batch_blocks[BATCH];

static inline void batch_fill(size_t bytes) {
  for (uint32_t index = 0; index < BATCH; index++) {
    volatile uint64_t *block = ALLOCATE(bytes, index);
    *block = index;
    batch_blocks[index] = (void *)block;
  }
}

static __attribute__((noinline)) void batch_loop(size_t bytes, int rounds) {
  for (int round = 0; round < rounds; round++) {
    batch_fill(bytes);
    const uint16_t *order = orders[round % ORDERS];
    for (int index = 0; index < BATCH; index++) RELEASE(batch_blocks[order[index]]);
  }
}

static void batch(int is_random, size_t bytes, int rounds, int repetitions) {
  make_places(BATCH, bytes);
  uint32_t random = 12345;
  for (int order = 0; order < ORDERS; order++) {
    for (int index = 0; index < BATCH; index++) orders[order][index] = (uint16_t)index;
    for (int index = BATCH - 1; index > 0 && is_random; index--) {
      random = next_random(random);
      int other = (int)(random % (uint32_t)(index + 1));
      uint16_t kept = orders[order][index];
      orders[order][index] = orders[order][other];
      orders[order][other] = kept;
    }
  }
  for (int repetition = 0; repetition <= repetitions; repetition++) {
    uint64_t start = now();
    batch_loop(bytes, rounds);
    times[repetition] = now() - start;
  }
  batch_fill(bytes);
  uint64_t sum = 0;
  for (int index = 0; index < BATCH; index++) {
    void *block = batch_blocks[orders[0][index]];
    sum = sum * 31 + *(uint64_t *)block;
    RELEASE(block);
  }
  report(times, repetitions, sum);
}

// ---- random-mixed: a random slot is freed when it is full, and filled when it is empty

static __attribute__((noinline)) void mixed_loop(uint8_t **slots, uint64_t operations, uint32_t working_set, uint32_t seed) {
  uint32_t random = seed;
  for (uint64_t operation = 0; operation < operations; operation++) {
    random = next_random(random);
    uint32_t slot = random % working_set;
    uint8_t *block = slots[slot];
    if (block) {
      RELEASE(block);
      slots[slot] = NULL;
    } else {
      size_t bytes = 16 + ((random >> 8) & 1023);
      block = ALLOCATE(bytes, slot);
      block[0] = (uint8_t)random;
      block[bytes - 1] = (uint8_t)random;
      slots[slot] = block;
    }
  }
}

static uint32_t mixed_checksum(uint8_t **slots, uint32_t working_set) {
  uint32_t sum = 2166136261u;
  for (uint32_t slot = 0; slot < working_set; slot++)
    if (slots[slot]) sum = ((sum ^ slot) * 16777619u) ^ slots[slot][0];
  return sum;
}

static void mixed_clear(uint8_t **slots, uint32_t working_set) {
  for (uint32_t slot = 0; slot < working_set; slot++)
    if (slots[slot]) {
      RELEASE(slots[slot]);
      slots[slot] = NULL;
    }
}

static uint8_t *mixed_slots[1u << 20];

static void mixed(uint64_t operations, uint32_t working_set, uint32_t seed, int repetitions) {
  make_places(working_set, 1039);
  // Written through, so that the table's own page faults stay out of the timed part.
  memset(mixed_slots, 1, sizeof *mixed_slots * working_set);
  memset(mixed_slots, 0, sizeof *mixed_slots * working_set);
  uint64_t sum = 0;
  for (int repetition = 0; repetition <= repetitions; repetition++) {
    uint64_t start = now();
    mixed_loop(mixed_slots, operations, working_set, seed);
    times[repetition] = now() - start;
    sum = mixed_checksum(mixed_slots, working_set);
    mixed_clear(mixed_slots, working_set);
  }
  report(times, repetitions, sum);
}

int main(int count, char **arguments) {
  uint64_t numbers[8] = {0};
  for (int index = 2; index < count && index < 10; index++) numbers[index - 2] = strtoull(arguments[index], NULL, 10);
  const char *work = count > 1 ? arguments[1] : "";
  if (!strcmp(work, "who")) {
    Dl_info found;
    printf("%s\n", dladdr(dlsym(RTLD_DEFAULT, "malloc"), &found) ? found.dli_fname : "unknown");
  } else if (!strcmp(work, "pair")) {
    pair(numbers[0], (long)numbers[1], (int)numbers[2]);
  } else if (!strcmp(work, "batch-fifo") || !strcmp(work, "batch-random")) {
    batch(!strcmp(work, "batch-random"), numbers[0], (int)numbers[1], (int)numbers[2]);
  } else if (!strcmp(work, "random-mixed")) {
    mixed(numbers[0], (uint32_t)numbers[1], (uint32_t)numbers[2], (int)numbers[3]);
  } else {
    fprintf(stderr, "error: unknown workload '%s'\n", work);
    return 2;
  }
  return 0;
}
