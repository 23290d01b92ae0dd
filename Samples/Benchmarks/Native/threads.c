// Workloads of several threads: producer-consumer, server, threads.
#include "driver.h"
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

// ---- producer-consumer: one thread allocates, another frees, a ring between them

#define RING 4096
#define PAUSES 32
#define WAITS_BEFORE_YIELD 32

static struct {
  _Alignas(128) _Atomic uint64_t added;
  uint64_t taken_as_seen;
  _Alignas(128) _Atomic uint64_t taken;
  uint64_t added_as_seen;
  _Alignas(128) uint8_t *entries[RING];
} ring;

static uint64_t ring_pairs;
static uint64_t consumed_sum;
static _Atomic int consumer_ready;

// Waits a while before it looks again: the cache line that it looks at is then taken from the other thread once for many blocks.
static void wait_once(int *waits) {
  if (++*waits % WAITS_BEFORE_YIELD == 0) sched_yield();
  for (int pause = 0; pause < PAUSES; pause++) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
  }
}

static void *consume(void *unused) {
  atomic_store(&consumer_ready, 1);
  uint64_t sum = 0;
  for (uint64_t pair = 0; pair < ring_pairs; pair++) {
    uint64_t taken = atomic_load_explicit(&ring.taken, memory_order_relaxed);
    for (int waits = 0; taken == ring.added_as_seen;) {
      ring.added_as_seen = atomic_load_explicit(&ring.added, memory_order_acquire);
      if (taken == ring.added_as_seen) wait_once(&waits);
    }
    uint8_t *block = ring.entries[taken & (RING - 1)];
    atomic_store_explicit(&ring.taken, taken + 1, memory_order_release);
    sum += block[0];
    RELEASE(block);
  }
  consumed_sum = sum;
  return unused;
}

static void produce(uint32_t seed) {
  uint32_t random = seed;
  for (uint32_t pair = 0; pair < ring_pairs; pair++) {
    random = next_random(random);
    uint8_t *block = new_block(64 + ((random >> 8) % 449), pair % (2 * RING), random);
    uint64_t added = atomic_load_explicit(&ring.added, memory_order_relaxed);
    for (int waits = 0; added - ring.taken_as_seen == RING;) {
      ring.taken_as_seen = atomic_load_explicit(&ring.taken, memory_order_acquire);
      if (added - ring.taken_as_seen == RING) wait_once(&waits);
    }
    ring.entries[added & (RING - 1)] = block;
    atomic_store_explicit(&ring.added, added + 1, memory_order_release);
  }
}

void producer_consumer(const uint64_t *numbers) {
  ring_pairs = numbers[0];
  int repetitions = (int)numbers[2];
  make_places(2 * RING, 512);
  memset(ring.entries, 0, sizeof ring.entries);
  for (int repetition = 0; repetition <= repetitions; repetition++) {
    pthread_t consumer;
    atomic_store(&consumer_ready, 0);
    pthread_create(&consumer, NULL, consume, NULL);
    while (!atomic_load(&consumer_ready)) sched_yield();
    uint64_t start = now();
    produce((uint32_t)numbers[1]);
    pthread_join(consumer, NULL);
    times[repetition] = now() - start;
  }
  report(repetitions, consumed_sum);
}

// ---- server: two threads at a time, which die and hand on their tables of blocks

#define TABLES 2
#define TABLE_BLOCKS 1000
static uint8_t *tables[TABLES][TABLE_BLOCKS];

typedef struct {
  int table;
  int replacements;
  uint32_t seed;
} Life;

static void *live(void *given) {
  Life *life = given;
  uint8_t **slots = tables[life->table];
  uint32_t random = life->seed;
  for (int replacement = 0; replacement < life->replacements; replacement++) {
    random = next_random(random);
    uint32_t slot = random % TABLE_BLOCKS;
    if (slots[slot]) RELEASE(slots[slot]);
    slots[slot] = new_block(bytes_of(random), (uint32_t)life->table * TABLE_BLOCKS + slot, random);
  }
  return NULL;
}

void server(const uint64_t *numbers) {
  int generations = (int)numbers[0], repetitions = (int)numbers[2];
  make_places(TABLES * TABLE_BLOCKS, 1039);
  uint64_t sum = 0;
  for (int repetition = 0; repetition <= repetitions; repetition++) {
    uint64_t start = now();
    for (int generation = 0; generation < generations; generation++) {
      pthread_t started[TABLES];
      Life lives[TABLES];
      for (int number = 0; number < TABLES; number++) {
        lives[number] = (Life){(number + generation) % TABLES, (int)numbers[1], (uint32_t)(generation * TABLES + number + 1)};
        pthread_create(&started[number], NULL, live, &lives[number]);
      }
      for (int number = 0; number < TABLES; number++) pthread_join(started[number], NULL);
    }
    times[repetition] = now() - start;
    for (int table = 0; table < TABLES; table++) {
      sum = sum * 31 + mixed_checksum(tables[table], TABLE_BLOCKS);
      mixed_clear(tables[table], TABLE_BLOCKS);
    }
  }
  report(repetitions, sum);
}

// ---- threads: the random-mixed loop on several threads, each with a working set of its own

#define MOST_THREADS 64

typedef struct {
  uint32_t number;
  uint64_t operations;
  uint32_t working_set;
  int repetitions;
  uint64_t start, end, sum; // of the last repetition
} Player;

static pthread_barrier_t meeting;

static void *play(void *given) {
  Player *player = given;
  uint8_t **slots = calloc(player->working_set, sizeof *slots);
  memset(slots, 1, sizeof *slots * player->working_set);
  memset(slots, 0, sizeof *slots * player->working_set);
  for (int repetition = 0; repetition <= player->repetitions; repetition++) {
    pthread_barrier_wait(&meeting);
    player->start = now();
    mixed_loop(slots, player->operations, player->working_set, player->number * player->working_set, player->number + 1);
    player->end = now();
    player->sum = mixed_checksum(slots, player->working_set);
    mixed_clear(slots, player->working_set);
    pthread_barrier_wait(&meeting);
  }
  free(slots);
  return NULL;
}

void threads(const uint64_t *numbers) {
  uint32_t count = (uint32_t)numbers[0], working_set = (uint32_t)numbers[2];
  int repetitions = (int)numbers[3];
  static Player players[MOST_THREADS];
  static pthread_t started[MOST_THREADS];
  make_places((size_t)count * working_set, 1039);
  pthread_barrier_init(&meeting, NULL, count + 1);
  for (uint32_t number = 0; number < count; number++) {
    players[number] = (Player){number, numbers[1], working_set, repetitions, 0, 0, 0};
    pthread_create(&started[number], NULL, play, &players[number]);
  }
  for (int repetition = 0; repetition <= repetitions; repetition++) {
    // The players look at the clock, because this thread may get a processor only when they are done.
    pthread_barrier_wait(&meeting);
    pthread_barrier_wait(&meeting);
    uint64_t start = players[0].start, end = players[0].end;
    for (uint32_t number = 1; number < count; number++) {
      start = players[number].start < start ? players[number].start : start;
      end = players[number].end > end ? players[number].end : end;
    }
    times[repetition] = end - start;
  }
  uint64_t sum = 0;
  for (uint32_t number = 0; number < count; number++) {
    pthread_join(started[number], NULL);
    sum = sum * 31 + players[number].sum;
  }
  report(repetitions, sum);
}
