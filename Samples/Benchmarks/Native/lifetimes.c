// Workloads of growing, of lifetimes and of fresh memory: realloc, frame arena, dispose, prewarm.
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
