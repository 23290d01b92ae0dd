// Workloads of one thread: pair, batch, random-mixed, longest call.
#include "driver.h"

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

void pair(const uint64_t *numbers) {
  size_t bytes = numbers[0];
  int repetitions = (int)numbers[2];
  make_places(1, bytes);
  uint64_t sum = 0;
  for (int repetition = 0; repetition <= repetitions; repetition++) {
    uint64_t start = now();
    sum = pair_loop(bytes, (long)numbers[1]);
    times[repetition] = now() - start;
  }
  report(repetitions, sum);
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

static void make_orders(int is_random) {
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
}

void batch(int is_random, const uint64_t *numbers) {
  size_t bytes = numbers[0];
  int repetitions = (int)numbers[2];
  make_places(BATCH, bytes);
  make_orders(is_random);
  for (int repetition = 0; repetition <= repetitions; repetition++) {
    uint64_t start = now();
    batch_loop(bytes, (int)numbers[1]);
    times[repetition] = now() - start;
  }
  // One more batch, read before it is freed: blocks that overlap would have lost their numbers.
  batch_fill(bytes);
  uint64_t sum = 0;
  for (int index = 0; index < BATCH; index++) {
    void *block = batch_blocks[orders[0][index]];
    sum = sum * 31 + *(uint64_t *)block;
    RELEASE(block);
  }
  report(repetitions, sum);
}

// ---- random-mixed: a random slot is freed when it is full, and filled when it is empty

__attribute__((noinline)) void mixed_loop(
    uint8_t **slots, uint64_t operations, uint32_t working_set, uint32_t first_place, uint32_t seed) {
  (void)first_place;
  uint32_t random = seed;
  for (uint64_t operation = 0; operation < operations; operation++) {
    random = next_random(random);
    uint32_t slot = random % working_set;
    uint8_t *block = slots[slot];
    if (block) {
      RELEASE(block);
      slots[slot] = NULL;
    } else {
      slots[slot] = new_block(bytes_of(random), first_place + slot, random);
    }
  }
}

uint32_t mixed_checksum(uint8_t **slots, uint32_t working_set) {
  uint32_t sum = 2166136261u;
  for (uint32_t slot = 0; slot < working_set; slot++)
    if (slots[slot]) sum = ((sum ^ slot) * 16777619u) ^ slots[slot][0];
  return sum;
}

void mixed_clear(uint8_t **slots, uint32_t working_set) {
  for (uint32_t slot = 0; slot < working_set; slot++)
    if (slots[slot]) {
      RELEASE(slots[slot]);
      slots[slot] = NULL;
    }
}

static uint8_t *mixed_slots[1u << 20];

static void make_slots(uint32_t working_set) {
  make_places(working_set, 1039);
  // Written through, so that the table's own page faults stay out of the timed part.
  memset(mixed_slots, 1, sizeof *mixed_slots * working_set);
  memset(mixed_slots, 0, sizeof *mixed_slots * working_set);
}

void mixed(const uint64_t *numbers) {
  uint32_t working_set = (uint32_t)numbers[1];
  int repetitions = (int)numbers[3];
  make_slots(working_set);
  uint64_t sum = 0;
  for (int repetition = 0; repetition <= repetitions; repetition++) {
    uint64_t start = now();
    mixed_loop(mixed_slots, numbers[0], working_set, 0, (uint32_t)numbers[2]);
    times[repetition] = now() - start;
    sum = mixed_checksum(mixed_slots, working_set);
    mixed_clear(mixed_slots, working_set);
  }
  report(repetitions, sum);
}

// ---- random-mixed cold: one pass on fresh memory, and the most that was resident

void mixed_cold(const uint64_t *numbers) {
  uint32_t working_set = (uint32_t)numbers[1];
  make_slots(working_set);
  uint64_t base = begin_peak(), start = now();
  mixed_loop(mixed_slots, numbers[0], working_set, 0, (uint32_t)numbers[2]);
  times[1] = now() - start;
  report_peak(base);
  report(1, mixed_checksum(mixed_slots, working_set));
}

// ---- longest call: the same loop, the clock read after every operation

static __attribute__((noinline)) uint64_t longest_loop(uint64_t operations, uint32_t working_set, uint32_t seed) {
  uint32_t random = seed;
  uint64_t longest = 0, before = now();
  for (uint64_t operation = 0; operation < operations; operation++) {
    random = next_random(random);
    uint32_t slot = random % working_set;
    uint8_t *block = mixed_slots[slot];
    if (block) {
      RELEASE(block);
      mixed_slots[slot] = NULL;
    } else {
      mixed_slots[slot] = new_block(bytes_of(random), slot, random);
    }
    uint64_t after = now();
    longest = after - before > longest ? after - before : longest;
    before = after;
  }
  return longest;
}

void longest_call(const uint64_t *numbers) {
  uint32_t working_set = (uint32_t)numbers[1], seed = (uint32_t)numbers[2];
  make_slots(working_set);
  for (int repetition = 0; repetition < 2; repetition++) {
    mixed_clear(mixed_slots, working_set);
    times[repetition] = longest_loop(numbers[0], working_set, seed);
  }
  report(1, mixed_checksum(mixed_slots, working_set));
}
