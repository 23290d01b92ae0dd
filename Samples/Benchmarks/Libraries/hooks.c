/* The memory hooks of SQLite and Lua over the inline fast path of engine_memory.h, and what a run costs the thread. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
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
struct sqlite_methods {
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

/* The least that an allocator can do: lists of free blocks by 16 bytes up to 1 KiB, each block behind its size, over
   memory that is never given back; malloc above. One thread, no checks, no other arena. */
enum { BARE_STEP = 16, BARE_CLASSES = 65, BARE_CHUNK = 1 << 20 };
static void* bare_lists[BARE_CLASSES];
static char *bare_next, *bare_end;

static size_t bare_size(void* block) { return ((size_t*)block)[-1]; }

static void* bare_new(size_t rounded) {
    char* block;
    if (rounded / BARE_STEP >= BARE_CLASSES) {
        block = malloc(BARE_STEP + rounded);
    } else {
        if (bare_next == NULL || bare_end - bare_next < (long)(BARE_STEP + rounded)) {
            bare_next = malloc(BARE_CHUNK);
            bare_end = bare_next + BARE_CHUNK;
        }
        block = bare_next;
        bare_next += BARE_STEP + rounded;
    }
    block += BARE_STEP;
    ((size_t*)block)[-1] = rounded;
    return block;
}

static void* bare_allocate(size_t bytes) {
    size_t rounded = (bytes + BARE_STEP - 1) & ~(size_t)(BARE_STEP - 1);
    void** list = rounded / BARE_STEP < BARE_CLASSES ? &bare_lists[rounded / BARE_STEP] : NULL;
    if (list == NULL || *list == NULL)
        return bare_new(rounded);

    void* block = *list;
    *list = *(void**)block;
    return block;
}

static void bare_free(void* block) {
    if (block == NULL)
        return;

    size_t size = bare_size(block);
    if (size / BARE_STEP >= BARE_CLASSES) {
        free((char*)block - BARE_STEP);
        return;
    }
    *(void**)block = bare_lists[size / BARE_STEP];
    bare_lists[size / BARE_STEP] = block;
}

static void* bare_reallocate(void* block, size_t bytes) {
    size_t size = bare_size(block);
    if (bytes <= size && size - bytes < BARE_STEP)
        return block;

    void* other = bare_allocate(bytes);
    memcpy(other, block, bytes < size ? bytes : size);
    bare_free(block);
    return other;
}

static void* bare_allocate_int(int bytes) { return bare_allocate((size_t)bytes); }
static void* bare_reallocate_int(void* block, int bytes) { return bare_reallocate(block, (size_t)bytes); }
static int bare_size_int(void* block) { return block == NULL ? 0 : (int)bare_size(block); }

struct sqlite_methods bare_methods = {
    bare_allocate_int, bare_free, bare_reallocate_int, bare_size_int, round_up, start, end, NULL
};

void* bare_resize(void* data, void* block, size_t old_bytes, size_t bytes) {
    (void)data;
    (void)old_bytes;
    if (bytes != 0)
        return block == NULL ? bare_allocate(bytes) : bare_reallocate(block, bytes);

    bare_free(block);
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
