// Workloads of growing, of lifetimes and of fresh memory: realloc, frame arena, dispose, prewarm, drift.
#include "driver.h"
#include <sys/mman.h>

// ---- realloc: four buffers that grow by turns, by doubling or by steps of 64 KiB

#define BUFFERS 4

static size_t grown_bytes(int is_doubling, int step) { return is_doubling ? (size_t)16 << step : (size_t)(step + 1) * 65536; }

static __attribute__((noinline)) uint64_t grow_loop(int is_doubling, int rounds) {
  int steps = is_doubling ? 17 : 64;
  uint64_t sum = 0;
  for (int round = 0; round < rounds; round++) {
    uint8_t *blocks[BUFFERS];
    for (uint32_t buffer = 0; buffer < BUFFERS; buffer++) {
      blocks[buffer] = ALLOCATE(grown_bytes(is_doubling, 0), buffer);
      blocks[buffer][0] = (uint8_t)round;
    }
    for (int step = 1; step < steps; step++) {
      size_t bytes = grown_bytes(is_doubling, step);
      for (int buffer = 0; buffer < BUFFERS; buffer++) {
        blocks[buffer] = RESIZE(blocks[buffer], bytes);
        blocks[buffer][bytes - 1] = (uint8_t)step;
      }
    }
    for (int buffer = 0; buffer < BUFFERS; buffer++) {
      sum = sum * 31 + blocks[buffer][0] + blocks[buffer][grown_bytes(is_doubling, steps - 1) - 1];
      RELEASE(blocks[buffer]);
    }
  }
  return sum;
}

void grow(const uint64_t *numbers) {
  int is_doubling = (int)numbers[0], repetitions = (int)numbers[2];
  make_places(BUFFERS, grown_bytes(is_doubling, is_doubling ? 16 : 63));
  uint64_t sum = 0;
  for (int repetition = 0; repetition <= repetitions; repetition++) {
    uint64_t start = now();
    sum = grow_loop(is_doubling, (int)numbers[1]);
    times[repetition] = now() - start;
  }
  report(repetitions, sum);
}

// ---- frame arena: 150 blocks, and all of them freed

#define FRAME_BLOCKS 150
static uint16_t frame_sizes[FRAME_BLOCKS];
static uint8_t *frame_blocks[FRAME_BLOCKS];

static __attribute__((noinline)) uint64_t frame_loop(int frames) {
  uint64_t sum = 0;
  for (int frame = 0; frame < frames; frame++) {
    for (uint32_t index = 0; index < FRAME_BLOCKS; index++) {
      uint8_t *block = ALLOCATE(frame_sizes[index], index);
      block[0] = (uint8_t)((uint32_t)frame + index);
      frame_blocks[index] = block;
    }
    sum += frame_blocks[FRAME_BLOCKS / 2][0];
    for (int index = 0; index < FRAME_BLOCKS; index++) RELEASE(frame_blocks[index]);
  }
  return sum;
}

void frame(const uint64_t *numbers) {
  int repetitions = (int)numbers[2];
  make_places(FRAME_BLOCKS, 1024);
  uint32_t random = (uint32_t)numbers[1];
  for (int index = 0; index < FRAME_BLOCKS; index++) {
    random = next_random(random);
    frame_sizes[index] = (uint16_t)(1 + (random >> 8) % 1024);
  }
  uint64_t sum = 0;
  for (int repetition = 0; repetition <= repetitions; repetition++) {
    uint64_t start = now();
    sum = frame_loop((int)numbers[0]);
    times[repetition] = now() - start;
  }
  report(repetitions, sum);
}

// ---- dispose: many blocks freed one by one

void dispose(const uint64_t *numbers) {
  uint32_t blocks = (uint32_t)numbers[0];
  int repetitions = (int)numbers[1];
  make_places(blocks, 64);
  uint8_t **table = calloc(blocks, sizeof *table);
  uint64_t sum = 0;
  for (int repetition = 0; repetition <= repetitions; repetition++) {
    sum = 0;
    for (uint32_t index = 0; index < blocks; index++) {
      table[index] = ALLOCATE(64, index);
      table[index][0] = (uint8_t)index;
    }
    for (uint32_t index = 0; index < blocks; index++) sum += table[index][0];
    uint64_t start = now();
    for (uint32_t index = 0; index < blocks; index++) RELEASE(table[index]);
    times[repetition] = now() - start;
  }
  free(table);
  report(repetitions, sum);
}

// ---- prewarm: memory that is resident before it is used

void prewarm(const uint64_t *numbers) {
  size_t bytes = numbers[0] << 20;
  int repetitions = (int)numbers[1];
  for (int repetition = 0; repetition <= repetitions; repetition++) {
    uint64_t start = now();
#ifdef ALLOCATE_NULL
    size_t huge = 2u << 20;
    char *mapping = mmap(NULL, bytes + huge, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    char *memory = (char *)(((uintptr_t)mapping + huge - 1) & ~(uintptr_t)(huge - 1));
    madvise(memory, bytes, MADV_HUGEPAGE);
    if (madvise(memory, bytes, 23 /* MADV_POPULATE_WRITE, Linux 5.14 */)) memset(memory, 0, bytes);
    times[repetition] = now() - start;
    munmap(mapping, bytes + huge);
#else
    volatile char *memory = malloc(bytes);
    for (size_t byte = 0; byte < bytes; byte += 4096) memory[byte] = 1;
    times[repetition] = now() - start;
    // Not freed: the next repetition is to have fresh memory too.
#endif
  }
  report(repetitions, 0);
}

// ---- drift: 64 MiB live, in blocks of sizes that wander; logarithms in units of 1/256

#define MOST_BLOCKS (1u << 20)
#define LEAST_MIDDLE (8 << 8)
#define WANDERING (9 << 8)
#define SPREAD (2 << 8)
#define TOUCH_BYTES 4096

static uint8_t *drift_blocks[MOST_BLOCKS];
static uint32_t drift_bytes[MOST_BLOCKS];

static uint32_t drift_size(uint32_t random, uint64_t operation, uint64_t turn_operations) {
  int turn = (int)(operation % turn_operations * 2 * WANDERING / turn_operations);
  int middle = LEAST_MIDDLE + (turn < 2 * WANDERING - turn ? turn : 2 * WANDERING - turn);
  int logarithm = middle + (int)((random >> 8) & (2 * SPREAD - 1)) - SPREAD;
  return ((256u + (uint32_t)(logarithm & 255)) << (logarithm >> 8)) >> 8;
}

void drift(const uint64_t *numbers) {
  uint64_t operations = numbers[0], live_bytes = numbers[1], live = 0;
  uint32_t random = (uint32_t)numbers[3], blocks = 0;
  memset(drift_blocks, 1, sizeof drift_blocks);
  memset(drift_bytes, 1, sizeof drift_bytes);
  uint64_t base = begin_peak(), start = now();
  for (uint64_t operation = 0; operation < operations; operation++) {
    random = next_random(random);
    if (live < live_bytes && (random & 3) != 0) {
      uint32_t bytes = drift_size(random, operation, numbers[2]);
      uint8_t *block = ALLOCATE(bytes, blocks);
      for (uint32_t offset = 0; offset < bytes; offset += TOUCH_BYTES) block[offset] = (uint8_t)random;
      block[bytes - 1] = (uint8_t)random;
      drift_blocks[blocks] = block;
      drift_bytes[blocks++] = bytes;
      live += bytes;
    } else if (blocks != 0) {
      uint32_t index = (random >> 2) % blocks--;
      RELEASE(drift_blocks[index]);
      live -= drift_bytes[index];
      drift_blocks[index] = drift_blocks[blocks];
      drift_bytes[index] = drift_bytes[blocks];
    }
  }
  times[1] = now() - start;
  report_peak(base);
  uint64_t sum = live;
  for (uint32_t index = 0; index < blocks; index++) sum = sum * 31 + drift_blocks[index][0];
  report(1, sum);
}
