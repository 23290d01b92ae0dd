/*
 * libengine_malloc: one arena in malloc's place, by LD_PRELOAD, so that programs which know nothing of it test it. A test
 * vehicle, not a product: see .ci/native-library.
 *
 * What the runtime behind the library allocates for itself, and what is asked for before it runs or after a thread's
 * end, is glibc's; an address tells whose a block is. Blocks of the arena that an ended thread frees wait in a list for
 * the next thread that leaves the inline path.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include "engine_memory.h"

void* __libc_malloc(size_t bytes);
void __libc_free(void* block);
void* __libc_calloc(size_t count, size_t bytes);
void* __libc_realloc(void* block, size_t bytes);
void* __libc_memalign(size_t alignment, size_t bytes);
int __cxa_thread_atexit_impl(void (*function)(void*), void* argument, void* library);
extern void* __dso_handle;

enum { NEW, INSIDE, ATTACHED, ENDED };

static const engine_arena* arena;    /* null before it runs */
static engine_arena guarded;         /* the same, its functions marked as inside */
static char* reservation;
static size_t reservation_bytes;     /* of blocks */
static const size_t total_bytes = (size_t)16 << 30;
static _Atomic(void*) orphans;
static size_t (*usable_of_libc)(void*);
static int (*create_thread)(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*);

static _Thread_local int state;
static _Thread_local engine_handle handle;

static int is_ours(const void* block) { return (size_t)((char*)block - reservation) < reservation_bytes; }

static void free_orphans(engine_cache* cache) {
    void* next;
    for (void* block = atomic_exchange(&orphans, NULL); block != NULL; block = next) {
        next = *(void**)block;
        arena->free(arena, cache, block);
    }
}

static void* guarded_allocate(const engine_arena* self, engine_cache* cache, size_t bytes, size_t alignment) {
    (void)self;
    state = INSIDE;
    if (atomic_load_explicit(&orphans, memory_order_relaxed) != NULL)
        free_orphans(cache);

    void* block = arena->allocate(arena, cache, bytes, alignment);
    state = ATTACHED;
    if (block == NULL)
        errno = ENOMEM;

    return block;
}

static void guarded_free(const engine_arena* self, engine_cache* cache, void* block) {
    (void)self;
    state = INSIDE;
    arena->free(arena, cache, block);
    state = ATTACHED;
}

static void* guarded_reallocate(
    const engine_arena* self, engine_cache* cache, void* block, size_t bytes, size_t alignment) {
    (void)self;
    state = INSIDE;
    void* moved = arena->reallocate(arena, cache, block, bytes, alignment);
    state = ATTACHED;
    if (moved == NULL)
        errno = ENOMEM;

    return moved;
}

static void end_thread(void* argument) {
    (void)argument;
    state = ENDED;
}

static void attach(void) {
    state = INSIDE;
    handle.cache = arena->attach(arena);
    handle.arena = &guarded;

    /* Registered after the runtime's own, so it runs before: from there on the cache is another thread's. */
    __cxa_thread_atexit_impl(end_thread, NULL, &__dso_handle);
    state = ATTACHED;
}

/* Whether the calling thread may use the arena now. */
static int is_in(void) {
    if (__builtin_expect(state == ATTACHED, 1))
        return 1;

    if (state != NEW || arena == NULL)
        return 0;

    attach();
    return 1;
}

struct thread_start {
    void* (*work)(void*);
    void* argument;
};

static void* start_of_the_runtime(void* argument) {
    state = ENDED;
    struct thread_start start = *(struct thread_start*)argument;
    __libc_free(argument);
    return start.work(start.argument);
}

/* A thread that the runtime makes for itself never uses the arena. */
int pthread_create(pthread_t* thread, const pthread_attr_t* attributes, void* (*work)(void*), void* argument) {
    if (create_thread == NULL)
        create_thread = (int (*)(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*))dlsym(
            RTLD_NEXT, "pthread_create");

    if (state != INSIDE)
        return create_thread(thread, attributes, work, argument);

    struct thread_start* start = __libc_malloc(sizeof(*start));
    if (start == NULL)
        return EAGAIN;

    start->work = work;
    start->argument = argument;
    int error = create_thread(thread, attributes, start_of_the_runtime, start);
    if (error != 0)
        __libc_free(start);

    return error;
}

/* The engine's memory is not copied to children; a program that forks expects it to be. */
static void before_fork(void) { madvise(reservation, total_bytes, MADV_DOFORK); }

__attribute__((constructor)) static void start(void) {
    state = INSIDE;
    usable_of_libc = (size_t (*)(void*))dlsym(RTLD_NEXT, "malloc_usable_size");
    engine_memory_options options = { 0 };
    ENGINE_INIT(options);
    options.reservation_bytes = total_bytes;
    engine_memory* memory;
    const engine_arena* made;
    if (engine_memory_create(&options, &memory) != ENGINE_OK || engine_arena_create(memory, NULL, &made) != ENGINE_OK) {
        fprintf(stderr, "libengine_malloc: %s\n", engine_message());
        abort();
    }

    engine_handle first = engine_handle_of(made);
    reservation = first.cache->reservation;
    reservation_bytes = first.cache->reservation_bytes;
    guarded = *made;
    guarded.allocate = guarded_allocate;
    guarded.free = guarded_free;
    guarded.reallocate = guarded_reallocate;
    arena = made;
    pthread_atfork(before_fork, NULL, NULL);
    attach();
}

void* malloc(size_t bytes) { return is_in() ? engine_allocate(handle, bytes) : __libc_malloc(bytes); }

void free(void* block) {
    if (block == NULL)
        return;

    if (!is_ours(block)) {
        __libc_free(block);
    } else if (is_in()) {
        engine_free(handle, block);
    } else {
        void* head = atomic_load(&orphans);
        do
            *(void**)block = head;
        while (!atomic_compare_exchange_weak(&orphans, &head, block));
    }
}

void* calloc(size_t count, size_t bytes) {
    size_t all;
    if (__builtin_mul_overflow(count, bytes, &all)) {
        errno = ENOMEM;
        return NULL;
    }

    if (!is_in())
        return __libc_calloc(count, bytes);

    void* block = engine_allocate(handle, all);
    return block == NULL ? NULL : memset(block, 0, all);
}

size_t malloc_usable_size(void* block) {
    return block == NULL ? 0 : is_ours(block) ? arena->usable(arena, block) : usable_of_libc(block);
}

void* realloc(void* block, size_t bytes) {
    if (block == NULL)
        return malloc(bytes);

    if (!is_ours(block))
        return __libc_realloc(block, bytes);

    if (bytes == 0) {
        free(block);
        return NULL;
    }

    if (is_in())
        return engine_reallocate(handle, block, bytes);

    size_t kept = arena->usable(arena, block);
    void* moved = __libc_malloc(bytes);
    if (moved != NULL) {
        memcpy(moved, block, kept < bytes ? kept : bytes);
        free(block);
    }

    return moved;
}

void* memalign(size_t alignment, size_t bytes) {
    return is_in() ? engine_allocate_aligned(handle, bytes, alignment) : __libc_memalign(alignment, bytes);
}

void* aligned_alloc(size_t alignment, size_t bytes) { return memalign(alignment, bytes); }

int posix_memalign(void** place, size_t alignment, size_t bytes) {
    if (alignment % sizeof(void*) != 0 || (alignment & (alignment - 1)) != 0 || alignment == 0)
        return EINVAL;

    void* block = memalign(alignment, bytes);
    if (block != NULL)
        *place = block;

    return block == NULL ? ENOMEM : 0;
}

void* valloc(size_t bytes) { return memalign(4096, bytes); }

void* reallocarray(void* block, size_t count, size_t bytes) {
    size_t all;
    if (__builtin_mul_overflow(count, bytes, &all)) {
        errno = ENOMEM;
        return NULL;
    }

    return realloc(block, all);
}
