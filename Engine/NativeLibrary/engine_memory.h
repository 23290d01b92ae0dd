/*
 * engine_memory.h: SuperSlab's arenas for C and C++.
 *
 * Two ways lead here. A program without .NET links libengine_memory and calls what stands under "The library". A C
 * library inside a .NET program needs no more than this file: C# hands it an engine_arena (NativeAllocator.Inline).
 * Either way allocating and freeing are inline, over the cache that the calling thread has of an arena:
 *
 *     if (!engine_fits(arena)) ...                         // once: compiled with another version of this file
 *     engine_handle handle = engine_handle_of(arena);      // on the thread that uses it; keep it for a job or a frame
 *     void* block = engine_allocate(handle, 64);           // at a multiple of 16 bytes
 *     engine_free(handle, block);
 *
 * Null means that memory or a budget has ended. A wrong free is told by a sentence to standard error: under hardened and
 * full checks always and at once, without them, as in C#, most, and some not before the thread's freed blocks return to
 * their slabs. A handle is its thread's, like a C# ArenaHandle; blocks may be freed by any thread. Not in a signal
 * handler.
 */
#ifndef ENGINE_MEMORY_H
#define ENGINE_MEMORY_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The version of all that the inline functions read. */
#define ENGINE_LAYOUT 1u

enum {
    ENGINE_CLASSES = 249,        /* size classes, and those of 32 homes for blocks below 64 bytes */
    ENGINE_HUGE = 152,           /* the last size class, of blocks without a common size */
    ENGINE_SMALL_CLASSES = 3,    /* of each home */
    ENGINE_CACHE_BYTES = 6144,   /* from a cache to the place that a top of 0 stands for */
    ENGINE_MAGAZINE_BYTES = 1024,
    ENGINE_MAPPED_BYTES = 1024,  /* sizes up to here are in the map */
    ENGINE_CACHED_BYTES = 262144, /* sizes up to here are in magazines of several */
    ENGINE_SLAB_SHIFT = 16
};

/* A thread's free blocks of an arena. Its owner alone writes; a cache of zeros leads each call to the functions. */
typedef struct engine_cache {
    intptr_t tops[ENGINE_CLASSES]; /* where the next freed block of a class is written, less (cache + CACHE_BYTES) */
    char* reservation;
    size_t reservation_bytes;
    const uint32_t* tags;          /* a word a slab: (arena << 8) | class; 0 where no block begins */
    uint8_t map[ENGINE_MAPPED_BYTES + 1];
} engine_cache;

/* An arena as C sees it. It stays readable until the process ends; once the arena is gone its functions return null. */
typedef struct engine_arena engine_arena;
struct engine_arena {
    uint32_t bytes;                /* of this structure; later versions add members at its end */
    uint32_t layout;               /* ENGINE_LAYOUT of whoever made it */
    size_t tag;                    /* of the slabs with its blocks, class 0 */
    intptr_t number;               /* NativeAllocator.UserData */
    engine_cache* (*attach)(const engine_arena* arena);
    void* (*allocate)(const engine_arena* arena, engine_cache* cache, size_t bytes, size_t alignment);
    void (*free)(const engine_arena* arena, engine_cache* cache, void* block);
    void* (*reallocate)(const engine_arena* arena, engine_cache* cache, void* block, size_t bytes, size_t alignment);
    size_t (*usable)(const engine_arena* arena, const void* block);
};

/* An arena in the hands of one thread. */
typedef struct engine_handle {
    engine_cache* cache;
    const engine_arena* arena;
} engine_handle;

/* Whether the arena is laid out as this file says. */
static inline int engine_fits(const engine_arena* arena) {
    return arena->layout == ENGINE_LAYOUT && arena->bytes >= sizeof(engine_arena);
}

/* The arena for the calling thread. Its first call on a thread makes the thread's cache: at level load. */
static inline engine_handle engine_handle_of(const engine_arena* arena) {
    engine_handle handle;
    handle.cache = arena->attach(arena);
    handle.arena = arena;
    return handle;
}

static inline uintptr_t* engine_place_(engine_cache* cache, intptr_t top) {
    return (uintptr_t*)((char*)cache + top + ENGINE_CACHE_BYTES);
}

/* The class of a size above the map: eight to each doubling. */
static inline size_t engine_class_(size_t bytes) {
    size_t last = bytes - 1;
#if defined(__GNUC__)
    size_t doubling = 8 * sizeof(long long) - 1 - (size_t)__builtin_clzll(last);
#else
    size_t doubling = 10;
    while (last >> (doubling + 1) != 0)
        doubling++;
#endif
    return 8 + ((doubling - 7) * 8) + ((last >> (doubling - 3)) & 7);
}

/* A block of at least so many bytes, its contents undefined; null where memory or a budget has ended. */
static inline void* engine_allocate(engine_handle handle, size_t bytes) {
    if (bytes <= ENGINE_CACHED_BYTES) {
        size_t size_class = bytes <= ENGINE_MAPPED_BYTES ? handle.cache->map[bytes] : engine_class_(bytes);
        intptr_t top = handle.cache->tops[size_class];
        uintptr_t block = engine_place_(handle.cache, top)[-1];
        if (block != 0) {
            handle.cache->tops[size_class] = top - (intptr_t)sizeof(uintptr_t);
            return (void*)block;
        }
    }

    return handle.arena->allocate(handle.arena, handle.cache, bytes, 16);
}

/* A block that begins at a multiple of an alignment: a power of two up to 2 MiB. */
static inline void* engine_allocate_aligned(engine_handle handle, size_t bytes, size_t alignment) {
    return alignment <= 16 ? engine_allocate(handle, bytes)
        : handle.arena->allocate(handle.arena, handle.cache, bytes, alignment);
}

/* The class of a block of the arena; above 255 where the functions must look closer. */
static inline size_t engine_class_of_(engine_handle handle, const void* block) {
    size_t offset = (size_t)((const char*)block - handle.cache->reservation);
    return offset < handle.cache->reservation_bytes
        ? handle.cache->tags[offset >> ENGINE_SLAB_SHIFT] ^ handle.arena->tag : SIZE_MAX;
}

/* Frees a block of the arena, of whichever thread. Null is nothing. */
static inline void engine_free(engine_handle handle, void* block) {
    size_t size_class = engine_class_of_(handle, block);
    if (size_class <= UINT8_MAX) {
        intptr_t top = handle.cache->tops[size_class];
        uintptr_t* place = engine_place_(handle.cache, top);
        if ((top & (ENGINE_MAGAZINE_BYTES - 1)) != 0 && place[-1] != (uintptr_t)block) {
            *place = (uintptr_t)block;
            handle.cache->tops[size_class] = top + (intptr_t)sizeof(uintptr_t);
            return;
        }
    }

    handle.arena->free(handle.arena, handle.cache, block);
}

/* The bytes of a block that may be used, at least those asked for; 0 for null. */
static inline size_t engine_usable(engine_handle handle, const void* block) {
    size_t size_class = engine_class_of_(handle, block);
    if (size_class > UINT8_MAX || size_class == ENGINE_HUGE)
        return handle.arena->usable(handle.arena, block);

    if (size_class > ENGINE_HUGE)
        size_class = (size_class - ENGINE_HUGE - 1) % ENGINE_SMALL_CLASSES;

    if (size_class < 8)
        return (size_class + 1) * 16;

    size_t doubling = (size_class - 8) / 8;
    return ((size_t)128 << doubling) + ((size_class % 8 + 1) * ((size_t)16 << doubling));
}

/* Makes a block larger or smaller; null, and the block is as it was, where memory has ended. */
static inline void* engine_reallocate(engine_handle handle, void* block, size_t bytes) {
    if (engine_class_of_(handle, block) <= UINT8_MAX && bytes <= 32768) { /* a larger one may grow where it is */
        size_t usable = engine_usable(handle, block);
        if (bytes <= usable && (bytes >= usable / 2 || usable <= 128))
            return block;

        void* moved = usable > ENGINE_CACHED_BYTES ? NULL : engine_allocate(handle, bytes);
        if (moved != NULL) {
            memcpy(moved, block, usable < bytes ? usable : bytes);
            engine_free(handle, block);
            return moved;
        }
    }

    return handle.arena->reallocate(handle.arena, handle.cache, block, bytes, 16);
}

/* ------------------------------------------------------------------------------------------------ The library */

/*
 * Functions return a code, and engine_message() the sentence of the calling thread's last failure; nothing is lost or
 * left half done. Structures that begin with `bytes` hold their own size there (ENGINE_INIT does it), so that a program
 * and a library of different versions understand each other; members that are 0 take the defaults. All functions may be
 * called on any thread, and none in the hot loop but engine_frames_next and the inline ones.
 */
typedef enum engine_result {
    ENGINE_OK,
    ENGINE_OUT_OF_MEMORY,          /* the system, the reservation or a budget has no more */
    ENGINE_BAD_ARGUMENT,
    ENGINE_BAD_PLAN,               /* the sentences name each place */
    ENGINE_BAD_STATE,              /* called at the wrong time */
    ENGINE_DAMAGED,                /* what validate found, or the system refused to take memory back */
    ENGINE_FAILED
} engine_result;

typedef struct engine_memory engine_memory;
typedef struct engine_frames engine_frames;
typedef struct engine_scene engine_scene;

#define ENGINE_INIT(structure) ((structure).bytes = sizeof(structure))

/* ENGINE_LAYOUT of the library. */
uint32_t engine_layout(void);

/* Valid until the thread's next failure. */
const char* engine_message(void);

typedef struct engine_memory_options {
    size_t bytes;
    uint64_t reservation_bytes;    /* address space; 0 takes 64 GiB, or less where that is limited */
    uint64_t retain_bytes;         /* prefaulted memory that stays in reserve */
    const char* prefault;          /* words as in scene plans: automatic, none, touch, populate-write, ... */
    const char* pages;             /* automatic, normal, transparent-huge, explicit-huge */
    const char* stay;              /* none, lock, pin, automatic */
    const char* checks;            /* automatic, off, hardened, full */
} engine_memory_options;

typedef struct engine_memory_figures {
    size_t bytes;
    uint64_t owned_bytes;          /* SuperSlabs of arenas */
    uint64_t ready_bytes;          /* the reserve */
    uint64_t table_bytes;
    uint64_t os_calls;
    uint64_t prefault_nanoseconds;
} engine_memory_figures;

/* Refuses a program that was compiled with another version of this file. */
engine_result engine_memory_create_for(uint32_t layout, const engine_memory_options* options, engine_memory** memory);

/* Options may be null. Environment variables (ENGINE_MEMORY_...) override them. */
static inline engine_result engine_memory_create(const engine_memory_options* options, engine_memory** memory) {
    return engine_memory_create_for(ENGINE_LAYOUT, options, memory);
}

/* Disposes its arenas, frames and scenes as well; their handles must not be used any more. */
engine_result engine_memory_destroy(engine_memory* memory);

/* Checks every equation. No other thread may use the memory meanwhile. */
engine_result engine_memory_validate(engine_memory* memory);

/* Gives prefaulted memory that nobody owns back to the system, down to a size. */
engine_result engine_memory_trim(engine_memory* memory, uint64_t retain_bytes);
engine_result engine_memory_figures_of(engine_memory* memory, engine_memory_figures* figures);

typedef struct engine_arena_options {
    size_t bytes;
    const char* name;
    uint64_t budget_bytes;         /* of SuperSlabs; beyond it allocating returns null. 0 is no limit */
} engine_arena_options;

typedef struct engine_block_count {
    uint64_t bytes;
    uint64_t count;
} engine_block_count;

typedef struct engine_arena_figures {
    size_t bytes;
    uint64_t live_bytes;           /* rounded up to the size classes */
    uint64_t owned_bytes;
    uint64_t peak_used_bytes;
    uint64_t hard_overruns;
} engine_arena_figures;

engine_result engine_arena_create(
    engine_memory* memory, const engine_arena_options* options, const engine_arena** arena);
engine_result engine_arena_destroy(const engine_arena* arena);

/* Frees every block; the arena keeps its prewarmed memory. No other thread may use it meanwhile. */
engine_result engine_arena_reset(const engine_arena* arena);

/* Makes the memory of blocks that live at the same time resident, for so many threads. */
engine_result engine_arena_prewarm(
    const engine_arena* arena, const engine_block_count* blocks, size_t count, int32_t threads);
engine_result engine_arena_figures_of(const engine_arena* arena, engine_arena_figures* figures);

typedef struct engine_frames_options {
    size_t bytes;
    const char* name;
    uint64_t bytes_per_lane;       /* 0: 1 MiB */
    int32_t lanes;                 /* 0: 1 */
    int32_t buffers;               /* frames that memory lives for; 0: 2 */
} engine_frames_options;

/* Frame memory: a pointer that goes up, and goes back to the beginning with the next frame. */
engine_result engine_frames_create(
    engine_memory* memory, const engine_frames_options* options, engine_frames** frames);
engine_result engine_frames_destroy(engine_frames* frames);

/* Begins the next frame: the memory of the frame that was `buffers` frames ago is used again. */
engine_result engine_frames_next(engine_frames* frames);

typedef struct engine_lane {
    struct {
        size_t high_water;
        char* cursor;
        char* end;
    }* state;
    engine_frames* frames;
    int32_t index;
} engine_lane;

/* A worker's lane, one thread at a time; it stays the same from frame to frame. */
engine_result engine_frames_lane(engine_frames* frames, int32_t index, engine_lane* lane);
void* engine_lane_allocate_more(engine_frames* frames, int32_t index, size_t bytes, size_t alignment);

/* Memory for this frame, aligned to 16 bytes, its contents undefined; null where memory has ended. */
static inline void* engine_lane_allocate(engine_lane lane, size_t bytes) {
    char* start = lane.state->cursor;
    if (bytes <= (size_t)(lane.state->end - start)) {
        lane.state->cursor = start + ((bytes + 15) & ~(size_t)15);
        return start;
    }

    return engine_lane_allocate_more(lane.frames, lane.index, bytes, 16);
}

/* Loads a scene by its plan (JSON, as docs/scenes.md has it): reserves and prefaults all that it says. */
engine_result engine_scene_load(engine_memory* memory, const char* json, size_t bytes, engine_scene** scene);
engine_result engine_scene_arena(engine_scene* scene, const char* name, const engine_arena** arena);
engine_result engine_scene_frames(engine_scene* scene, engine_frames** frames);
engine_result engine_scene_unload(engine_scene* scene);

#ifdef __cplusplus
}
#endif
#endif
