/* The memory hooks of SQLite and Lua over the inline fast path of engine_memory.h, and what a run costs the thread. */
#define _GNU_SOURCE
#include <sys/resource.h>
#include <time.h>
#include "engine_memory.h"

/* One thread measures. */
static engine_handle handle;

/* The arena of the calls from now on. */
void use(const engine_arena* arena) { handle = engine_handle_of(arena); }

static void* allocate(int bytes) { return engine_allocate(handle, (size_t)bytes); }
static void release(void* block) { engine_free(handle, block); }
static void* reallocate(void* block, int bytes) { return engine_reallocate(handle, block, (size_t)bytes); }
static int size_of(void* block) { return (int)engine_usable(handle, block); }
static int round_up(int bytes) { return (bytes + 15) & ~15; }
static int start(void* data) { (void)data; return 0; }
static void end(void* data) { (void)data; }

/* sqlite3_mem_methods */
struct {
    void* (*allocate)(int);
    void (*release)(void*);
    void* (*reallocate)(void*, int);
    int (*size_of)(void*);
    int (*round_up)(int);
    int (*start)(void*);
    void (*end)(void*);
    void* data;
} methods = { allocate, release, reallocate, size_of, round_up, start, end, NULL };

/* lua_Alloc */
void* resize(void* data, void* block, size_t old_bytes, size_t bytes) {
    (void)data;
    (void)old_bytes;
    if (bytes != 0)
        return block == NULL ? engine_allocate(handle, bytes) : engine_reallocate(handle, block, bytes);

    engine_free(handle, block);
    return NULL;
}

/* Page faults of the calling thread so far. */
long faults(void) {
    struct rusage usage;
    getrusage(RUSAGE_THREAD, &usage);
    return usage.ru_minflt + usage.ru_majflt;
}

/* Nanoseconds that the calling thread has run. */
long run_time(void) {
    struct timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return time.tv_sec * 1000000000L + time.tv_nsec;
}
