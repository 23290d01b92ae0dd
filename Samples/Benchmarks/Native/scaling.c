// The scaling workloads, which C# has in Scaling/ScalingWork.cs: a number of threads do the same at once. One pass after the other:
//   checked    every block is looked at before it is freed, and the rest at the end: is in it what was written?
//   plain      for warmth; then the repetitions, which are timed and whose switches and faults are counted
//   timed      the clock read before and after each call, twice, of which the second counts
//   counted    the threads' system calls
// Prints "nanoseconds A B C ...", "checksum N", "lost N", "latency P50 P99.9 P99.99 LONGEST UNDISTURBED",
// "usage VOLUNTARY INVOLUNTARY FAULTS" and, where they can be counted, "calls N".
#include "driver.h"
#include "system_calls.h"
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/resource.h>

#define INLINE static inline __attribute__((always_inline))
#define MIXED_SLOTS 4096
#define SHARED_SLOTS 8192 // for each thread
#define BIG_SLOTS 16
#define BIG_LEAST_BYTES 65536
#define BIG_MASK 0x1fffff
#define SMALL_BATCH 1000
#define SMALL_BATCH_BYTES 64
#define LARGE_BATCH 100
#define LARGE_BATCH_BYTES 65536
#define SCRATCH_BYTES 8
#define SCRATCH_WRITES 100
#define LIFE_SLOTS 1000
#define LIFE_OPERATIONS 20000
#define SIZE_OFFSET 4 // where a checked block has its size
#define SUB_BUCKETS 64
#define BUCKETS (SUB_BUCKETS * 40)
#define SLOW_CALL 20000 // nanoseconds from which on it is asked whether the thread lost its processor

typedef enum { CHECKED, WARM_UP, REPETITION, TIMED, COUNTED } Pass;
typedef enum { MIXED, SHARED, BATCH64, BATCH64K, BIG, SCRATCH, LIVES } Work;
static const char *const names[] = {"mixed", "shared", "batch64", "batch64k", "big", "scratch", "lives"};

// The gap at the end keeps what one thread writes off the lines of the next.
typedef struct {
  _Alignas(128) uint32_t number;
  uint32_t seed;
  pthread_t thread;
  uint8_t *slots[MIXED_SLOTS];
  uint8_t *given; // made by the main thread
  uint64_t start, end, sum, lost, calls;
  uint64_t voluntary, involuntary, faults;
  int is_uncounted;
  uint64_t longest, undisturbed;
  long switches; // as of the last slow call
  uint64_t buckets[BUCKETS];
  char gap[128];
} Player;

static Work work;
static uint32_t steps, thread_count;
static int pass_count, repetition_count;
static Player *players;
static _Atomic(uint8_t *) *shared_slots;
static pthread_barrier_t meeting;

static Pass pass_of(int index) {
  return index == 0 ? CHECKED : index == 1 ? WARM_UP : index < 2 + repetition_count ? REPETITION : index < pass_count - 1 ? TIMED : COUNTED;
}

// The driver's own tables are not the allocator's, and are resident from the start.
static void *own_memory(size_t bytes) {
  return mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
}

// ---- The single call: timed or not. As LatencyHistogram has it: 64 buckets for each power of two.

static long involuntary_switches(void) {
  struct rusage usage;
  getrusage(RUSAGE_THREAD, &usage);
  return usage.ru_nivcsw;
}

static __attribute__((noinline)) void note_call(Player *player, uint64_t nanoseconds) {
  uint32_t shift = nanoseconds < SUB_BUCKETS ? 0 : 57 - (uint32_t)__builtin_clzll(nanoseconds);
  uint64_t bucket = shift * SUB_BUCKETS + (nanoseconds >> shift);
  player->buckets[bucket < BUCKETS ? bucket : BUCKETS - 1]++;
  if (nanoseconds > player->longest) player->longest = nanoseconds;
  if (nanoseconds <= player->undisturbed) return;
  if (nanoseconds >= SLOW_CALL) {
    long switches = involuntary_switches();
    if (switches != player->switches) {
      player->switches = switches;
      return;
    }
  }
  player->undisturbed = nanoseconds;
}

INLINE uint8_t *obtain(Player *player, size_t bytes, const Pass pass) {
  if (pass != TIMED) return malloc(bytes);
  uint64_t start = now();
  uint8_t *block = malloc(bytes);
  note_call(player, now() - start);
  return block;
}

INLINE void release(Player *player, void *block, const Pass pass) {
  if (pass != TIMED) {
    free(block);
    return;
  }
  uint64_t start = now();
  free(block);
  note_call(player, now() - start);
}

// ---- What stands in a block: a tag in the first and the last byte; in the checked pass also its size

INLINE void seal(uint8_t *block, size_t bytes, uint32_t tag, const Pass pass) {
  block[0] = (uint8_t)tag;
  block[bytes - 1] = (uint8_t)tag;
  if (pass == CHECKED) {
    uint32_t size = (uint32_t)bytes;
    memcpy(block + SIZE_OFFSET, &size, sizeof size);
  }
}

INLINE void look(Player *player, const uint8_t *block, uint32_t tag, const Pass pass) {
  if (pass != CHECKED) return;
  uint32_t size;
  memcpy(&size, block + SIZE_OFFSET, sizeof size);
  player->sum += block[0];
  if (block[0] != (uint8_t)tag || size > BIG_LEAST_BYTES + BIG_MASK || size == 0 || block[size - 1] != (uint8_t)tag) player->lost++;
}

// ---- The work

INLINE void mixed_work(Player *player, uint32_t operations, uint32_t slots, const Pass pass) {
  uint32_t random = player->seed;
  for (uint32_t operation = 0; operation < operations; operation++) {
    random = next_random(random);
    uint32_t slot = random % slots;
    uint8_t *block = player->slots[slot];
    if (block) {
      look(player, block, slot, pass);
      release(player, block, pass);
      player->slots[slot] = NULL;
    } else {
      size_t bytes = bytes_of(random);
      block = obtain(player, bytes, pass);
      seal(block, bytes, slot, pass);
      player->slots[slot] = block;
    }
  }
}

INLINE void shared_work(Player *player, const Pass pass) {
  uint32_t random = player->seed, slots = SHARED_SLOTS * thread_count;
  for (uint32_t operation = 0; operation < steps; operation++) {
    random = next_random(random);
    uint32_t slot = random % slots;
    size_t bytes = bytes_of(random);
    uint8_t *block = obtain(player, bytes, pass);
    seal(block, bytes, slot, pass);
    uint8_t *old = atomic_exchange(&shared_slots[slot], block);
    if (old) {
      look(player, old, slot, pass);
      release(player, old, pass);
    }
  }
}

INLINE void batch_work(Player *player, uint32_t count, size_t bytes, const Pass pass) {
  for (uint32_t step = 0; step < steps; step++) {
    for (uint32_t index = 0; index < count; index++) {
      uint8_t *block = obtain(player, bytes, pass);
      seal(block, bytes, index, pass);
      player->slots[index] = block;
    }
    for (uint32_t index = 0; index < count; index++) {
      look(player, player->slots[index], index, pass);
      release(player, player->slots[index], pass);
    }
  }
}

INLINE void big_work(Player *player, const Pass pass) {
  uint32_t random = player->seed;
  for (uint32_t step = 0; step < steps; step++) {
    random = next_random(random);
    uint32_t slot = random % BIG_SLOTS;
    size_t bytes = BIG_LEAST_BYTES + (random & BIG_MASK);
    if (player->slots[slot]) {
      look(player, player->slots[slot], slot, pass);
      release(player, player->slots[slot], pass);
    }
    player->slots[slot] = obtain(player, bytes, pass);
    seal(player->slots[slot], bytes, slot, pass);
  }
}

INLINE void scratch_work(Player *player, const Pass pass) {
  release(player, player->given, pass);
  for (uint32_t step = 0; step < steps; step++) {
    volatile uint8_t *block = obtain(player, SCRATCH_BYTES, pass);
    if (pass == CHECKED)
      for (int index = 0; index < SCRATCH_BYTES; index++) block[index] = 0;
    for (int write = 0; write < SCRATCH_WRITES; write++) block[write % SCRATCH_BYTES]++;
    if (pass == CHECKED) {
      int count = 0;
      for (int index = 0; index < SCRATCH_BYTES; index++) count += block[index];
      player->sum += (uint64_t)count;
      player->lost += count != SCRATCH_WRITES;
    }
    release(player, (void *)block, pass);
  }
}

static void clear(Player *player, uint32_t slots) {
  for (uint32_t slot = 0; slot < slots; slot++)
    if (player->slots[slot]) {
      free(player->slots[slot]);
      player->slots[slot] = NULL;
    }
}

static void look_at_rest(Player *player) {
  uint32_t kept = work == MIXED || work == LIVES ? MIXED_SLOTS : work == BIG ? BIG_SLOTS : 0;
  for (uint32_t slot = 0; slot < kept; slot++)
    if (player->slots[slot]) look(player, player->slots[slot], slot, CHECKED);
}

INLINE void do_work(Player *player, const Pass pass) {
  switch (work) {
  case MIXED: mixed_work(player, steps, MIXED_SLOTS, pass); break;
  case SHARED: shared_work(player, pass); break;
  case BATCH64: batch_work(player, SMALL_BATCH, SMALL_BATCH_BYTES, pass); break;
  case BATCH64K: batch_work(player, LARGE_BATCH, LARGE_BATCH_BYTES, pass); break;
  case BIG: big_work(player, pass); break;
  case SCRATCH: scratch_work(player, pass); break;
  case LIVES: mixed_work(player, LIFE_OPERATIONS, LIFE_SLOTS, pass); break;
  }
}

// A function for each, so that the plain one has nothing of the others in it.
static __attribute__((noinline)) void do_plain(Player *player) { do_work(player, REPETITION); }
static __attribute__((noinline)) void do_timed(Player *player) { do_work(player, TIMED); }
static __attribute__((noinline)) void do_checked(Player *player) {
  do_work(player, CHECKED);
  look_at_rest(player);
}

// ---- The threads

static void shift(Player *player, Pass pass) {
  struct rusage before, after;
  getrusage(RUSAGE_THREAD, &before);
  player->switches = before.ru_nivcsw;
  if (pass == COUNTED) {
    int is_uncounted = system_calls_begin();
    do_plain(player);
    if (is_uncounted) player->is_uncounted = 1;
    else player->calls += (uint64_t)system_calls_end();
  } else if (pass == TIMED) do_timed(player);
  else if (pass == CHECKED) do_checked(player);
  else do_plain(player);
  getrusage(RUSAGE_THREAD, &after);
  if (pass == REPETITION) {
    player->voluntary += (uint64_t)(after.ru_nvcsw - before.ru_nvcsw);
    player->involuntary += (uint64_t)(after.ru_nivcsw - before.ru_nivcsw);
    player->faults += (uint64_t)(after.ru_minflt - before.ru_minflt);
  }
}

typedef struct {
  Player *player;
  Pass pass;
} Life;

static void *live(void *given) {
  Life *life = given;
  shift(life->player, life->pass);
  clear(life->player, LIFE_SLOTS);
  return NULL;
}

static void *play(void *given) {
  Player *player = given;
  for (int index = 0; index < pass_count; index++) {
    Pass pass = pass_of(index);
    pthread_barrier_wait(&meeting);
    player->start = now();
    if (work != LIVES) shift(player, pass);
    for (uint32_t step = 0; work == LIVES && step < steps; step++) {
      Life life = {player, pass};
      pthread_t thread;
      player->seed = (player->number * steps + step) * 7919 + 42;
      pthread_create(&thread, NULL, live, &life);
      pthread_join(thread, NULL);
    }
    player->end = now();
    pthread_barrier_wait(&meeting);
  }
  return NULL;
}

static void prepare(Pass pass) {
  for (uint32_t number = 0; number < thread_count; number++) {
    Player *player = &players[number];
    if (work == SCRATCH) player->given = malloc(SCRATCH_BYTES);
    if (pass == TIMED) {
      memset(player->buckets, 0, sizeof player->buckets);
      player->longest = player->undisturbed = 0;
    }
  }
}

static uint64_t time_of_pass(void) {
  uint64_t start = players[0].start, end = players[0].end;
  for (uint32_t number = 1; number < thread_count; number++) {
    start = players[number].start < start ? players[number].start : start;
    end = players[number].end > end ? players[number].end : end;
  }
  return end - start;
}

// ---- What came out

// The last nanosecond of the bucket in which the call of that rank is.
static uint64_t percentile(uint64_t of_100000, uint64_t longest) {
  uint64_t count = 0, seen = 0;
  for (uint32_t number = 0; number < thread_count; number++)
    for (int bucket = 0; bucket < BUCKETS; bucket++) count += players[number].buckets[bucket];
  uint64_t rank = (count * of_100000 + 99999) / 100000;
  for (int bucket = 0; bucket < BUCKETS; bucket++) {
    for (uint32_t number = 0; number < thread_count; number++) seen += players[number].buckets[bucket];
    if (seen >= rank) {
      int shift = bucket < SUB_BUCKETS ? 0 : bucket / SUB_BUCKETS - 1;
      uint64_t last = ((uint64_t)(bucket - shift * SUB_BUCKETS + 1) << shift) - 1;
      return last < longest ? last : longest;
    }
  }
  return longest;
}

static void tell(void) {
  uint64_t sum = 0, lost = 0, calls = 0, voluntary = 0, involuntary = 0, faults = 0, longest = 0, undisturbed = 0;
  int is_uncounted = 0;
  for (uint32_t number = 0; number < thread_count; number++) {
    Player *player = &players[number];
    sum += player->sum, lost += player->lost, calls += player->calls, is_uncounted |= player->is_uncounted;
    voluntary += player->voluntary, involuntary += player->involuntary, faults += player->faults;
    longest = player->longest > longest ? player->longest : longest;
    undisturbed = player->undisturbed > undisturbed ? player->undisturbed : undisturbed;
  }
  report(repetition_count, sum);
  printf("lost %llu\nlatency %llu %llu %llu %llu %llu\n", (unsigned long long)lost, (unsigned long long)percentile(50000, longest),
         (unsigned long long)percentile(99900, longest), (unsigned long long)percentile(99990, longest), (unsigned long long)longest,
         (unsigned long long)undisturbed);
  printf("usage %llu %llu %llu\n", (unsigned long long)voluntary, (unsigned long long)involuntary, (unsigned long long)faults);
  if (!is_uncounted) printf("calls %llu\n", (unsigned long long)calls);
}

// What the threads left in the shared table; it is whole between two passes.
static void look_at_shared(void) {
  for (uint32_t slot = 0; slot < SHARED_SLOTS * thread_count; slot++) {
    uint8_t *block = shared_slots[slot];
    if (block) look(&players[0], block, slot, CHECKED);
  }
}

// Numbers: threads, steps of each, repetitions.
void scaling(const char *name, const uint64_t *numbers) {
  thread_count = (uint32_t)numbers[0];
  steps = (uint32_t)numbers[1];
  repetition_count = (int)numbers[2];
  pass_count = repetition_count + 5;
  while (work < LIVES && strcmp(names[work], name)) work++;
  players = own_memory(thread_count * sizeof *players);
  shared_slots = own_memory(SHARED_SLOTS * thread_count * sizeof *shared_slots);
  pthread_barrier_init(&meeting, NULL, thread_count + 1);
  for (uint32_t number = 0; number < thread_count; number++) {
    players[number].number = number;
    players[number].seed = 42 + number * 7919;
    pthread_create(&players[number].thread, NULL, play, &players[number]);
  }
  for (int index = 0; index < pass_count; index++) {
    prepare(pass_of(index));
    pthread_barrier_wait(&meeting);
    pthread_barrier_wait(&meeting);
    if (pass_of(index) == REPETITION) times[index - 1] = time_of_pass();
    if (pass_of(index) == CHECKED) look_at_shared();
  }
  for (uint32_t number = 0; number < thread_count; number++) pthread_join(players[number].thread, NULL);
  tell();
}
