// The allocations of a recorded game, frame by frame and with the game's own threads: what the sample GameReplay does, in C. The script is
// the same that its players are given, written to a file step by step:
//   u32 threads, u32 slots, u32 frames, then of each thread u32 the most operations in a step
//   step: u32 kind (1 is a frame), then of each thread u32 count and its operations
#include "driver.h"
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <sys/mman.h>

enum { OP_ALLOCATE, OP_ALLOCATE_ALIGNED, OP_ALLOCATE_ZEROED, OP_FREE, OP_RESIZE, OP_WAIT };
#define FRAME_STEP 1
#define FIRST_BYTES 4096
#define SPINS_BEFORE_YIELD 100

typedef struct {
  uint32_t slot;
  uint8_t kind, publishes, alignment_shift, unused;
  uint64_t bytes, old_bytes;
  uint32_t tag;
  int32_t other_thread;
} Operation;

typedef struct {
  _Alignas(128) _Atomic uint64_t done; // as far as others need to know
  Operation *operations;
  uint32_t count;
  uint64_t worked; // nanoseconds in the last step
  sem_t wake;
  pthread_t thread;
} Player;

static Player *players;
static void **blocks; // by slot
static _Atomic uint32_t missing;
static sem_t all_arrived;

// The driver's own memory does not come from the allocator that is measured, and is resident from the start.
static void *own_memory(size_t bytes) {
  return mmap(NULL, bytes + 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
}

static inline void touch(char *start, size_t bytes, uint32_t tag) {
  if (bytes == 0) return;
  memset(start, (uint8_t)tag, bytes < FIRST_BYTES ? bytes : FIRST_BYTES);
  start[bytes - 1] = (char)tag;
}

#ifdef ALLOCATE_NULL
// The same writes without an allocator: to 64 places of 4 KiB that take turns, so that they are always in a cache.
#define EMPTY_ROOM ((256u << 10) + (1u << 30))
static char *places;

static void do_operation(const Operation *operation) {
  char *place = places + ((operation->slot & 63) << 12);
  size_t bytes = operation->bytes;
  if (operation->kind == OP_RESIZE && bytes > operation->old_bytes)
    touch(place + operation->old_bytes, bytes - operation->old_bytes, operation->tag);
  else if (operation->kind != OP_RESIZE && operation->kind != OP_FREE)
    touch(place, bytes, operation->tag);
}
#else
static void do_operation(const Operation *operation) {
  void **block = &blocks[operation->slot];
  size_t bytes = operation->bytes, alignment = (size_t)1 << operation->alignment_shift;
  switch (operation->kind) {
  case OP_ALLOCATE:
    touch(*block = malloc(bytes), bytes, operation->tag);
    break;
  case OP_FREE:
    free(*block);
    break;
  case OP_ALLOCATE_ZEROED:
    touch(*block = calloc(1, bytes), bytes, operation->tag);
    break;
  case OP_ALLOCATE_ALIGNED:
    touch(*block = aligned_alloc(alignment, (bytes + alignment - 1) & ~(alignment - 1)), bytes, operation->tag);
    break;
  case OP_RESIZE:
    *block = realloc(*block, bytes);
    if (bytes > operation->old_bytes) touch((char *)*block + operation->old_bytes, bytes - operation->old_bytes, operation->tag);
    break;
  }
}
#endif

static void wait_for(Player *other, uint64_t done) {
  for (int spins = 0; atomic_load_explicit(&other->done, memory_order_acquire) < done; spins++)
    if (spins > SPINS_BEFORE_YIELD) sched_yield();
}

// The clock stands still while another thread is waited for.
static uint64_t play_step(Player *player) {
  uint64_t worked = 0, start = now();
  for (uint32_t index = 0; index < player->count; index++) {
    const Operation *operation = &player->operations[index];
    if (operation->kind == OP_WAIT) {
      Player *other = &players[operation->other_thread];
      if (atomic_load_explicit(&other->done, memory_order_acquire) < operation->bytes) {
        worked += now() - start;
        wait_for(other, operation->bytes);
        start = now();
      }
      continue;
    }
    do_operation(operation);
    if (operation->publishes) atomic_store_explicit(&player->done, index + 1, memory_order_release);
  }
  return worked + now() - start;
}

static void *live(void *given) {
  Player *player = given;
  while (sem_wait(&player->wake) == 0) {
    player->worked = play_step(player);
    if (atomic_fetch_sub(&missing, 1) == 1) sem_post(&all_arrived);
  }
  return NULL;
}

static uint32_t read_number(FILE *file) {
  uint32_t number = 0;
  return fread(&number, sizeof number, 1, file) == 1 ? number : 0;
}

static int read_step(FILE *file, uint32_t threads, uint32_t *kind) {
  if (fread(kind, sizeof *kind, 1, file) != 1) return 0;
  for (uint32_t thread = 0; thread < threads; thread++) {
    players[thread].count = read_number(file);
    if (fread(players[thread].operations, sizeof(Operation), players[thread].count, file) != players[thread].count) return 0;
  }
  return 1;
}

static uint64_t play(uint32_t threads) {
  uint32_t active = 0;
  uint64_t worked = 0;
  for (uint32_t thread = 0; thread < threads; thread++) {
    atomic_store(&players[thread].done, 0);
    active += players[thread].count > 0;
  }
  if (active == 0) return 0;
  atomic_store(&missing, active);
  for (uint32_t thread = 0; thread < threads; thread++)
    if (players[thread].count > 0) sem_post(&players[thread].wake);
  sem_wait(&all_arrived);
  for (uint32_t thread = 0; thread < threads; thread++) worked += players[thread].count > 0 ? players[thread].worked : 0;
  return worked;
}

static int by_size(const void *left, const void *right) {
  uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
  return a < b ? -1 : a > b;
}

// Nearest rank, as in the C# samples.
static uint64_t percentile(const uint64_t *sorted, uint64_t count, uint64_t percent) {
  uint64_t rank = (count * percent + 99) / 100;
  return count == 0 ? 0 : sorted[(rank == 0 ? 1 : rank) - 1];
}

void replay(const char *path) {
  FILE *file = fopen(path, "rb");
  if (!file) {
    perror(path);
    exit(1);
  }
  static char buffer[1 << 16]; // so that reading allocates nothing
  setvbuf(file, buffer, _IOFBF, sizeof buffer);
#ifdef ALLOCATE_NULL
  places = mmap(NULL, EMPTY_ROOM, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
#endif
  uint32_t threads = read_number(file), slots = read_number(file), frames = read_number(file);
  players = own_memory(threads * sizeof *players);
  blocks = own_memory(slots * sizeof *blocks);
  uint64_t *frame_times = own_memory(frames * sizeof *frame_times);
  sem_init(&all_arrived, 0, 0);
  for (uint32_t thread = 0; thread < threads; thread++) {
    players[thread].operations = own_memory(read_number(file) * sizeof(Operation));
    sem_init(&players[thread].wake, 0, 0);
    pthread_create(&players[thread].thread, NULL, live, &players[thread]);
  }
  play(threads);
  uint64_t base = begin_peak();
  uint64_t played = 0;
  for (uint32_t kind; read_step(file, threads, &kind);) {
    uint64_t worked = play(threads);
    if (kind == FRAME_STEP && played < frames) frame_times[played++] = worked;
  }
  uint64_t peak = peak_bytes();
  qsort(frame_times, played, sizeof *frame_times, by_size);
  printf("p50 %llu\np99 %llu\nmax %llu\n", (unsigned long long)percentile(frame_times, played, 50),
         (unsigned long long)percentile(frame_times, played, 99), (unsigned long long)percentile(frame_times, played, 100));
  printf("peak %llu\nchecksum %llu\n", (unsigned long long)(peak > base ? peak - base : 0), (unsigned long long)played);
}
