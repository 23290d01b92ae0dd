/* The inline fast path of engine_memory.h, exported for NativeHeaderTests, and the layout that it was compiled with. */
#include <string.h>
#include "engine_memory.h"

/* In the order of NativeHeaderTests.Expected. */
size_t layout(size_t* values) {
    size_t count = 0;
#define TELL(value) values[count++] = (size_t)(value)
    TELL(ENGINE_LAYOUT);
    TELL(ENGINE_CLASSES);
    TELL(ENGINE_HUGE);
    TELL(ENGINE_SMALL_CLASSES);
    TELL(ENGINE_CACHE_BYTES);
    TELL(ENGINE_MAGAZINE_BYTES);
    TELL(ENGINE_MAPPED_BYTES);
    TELL(ENGINE_CACHED_BYTES);
    TELL(ENGINE_SLAB_SHIFT);
    TELL(offsetof(engine_cache, tops));
    TELL(offsetof(engine_cache, reservation));
    TELL(offsetof(engine_cache, reservation_bytes));
    TELL(offsetof(engine_cache, tags));
    TELL(offsetof(engine_cache, map));
    TELL(sizeof(engine_arena));
    TELL(offsetof(engine_arena, bytes));
    TELL(offsetof(engine_arena, layout));
    TELL(offsetof(engine_arena, tag));
    TELL(offsetof(engine_arena, number));
    TELL(offsetof(engine_arena, attach));
    TELL(offsetof(engine_arena, allocate));
    TELL(offsetof(engine_arena, free));
    TELL(offsetof(engine_arena, reallocate));
    TELL(offsetof(engine_arena, usable));
    engine_lane lane;
    TELL(sizeof(*lane.state) - sizeof(char*));
    TELL((char*)&lane.state->cursor - (char*)lane.state);
    TELL((char*)&lane.state->end - (char*)lane.state);
    TELL(offsetof(engine_lane, state));
    TELL(offsetof(engine_lane, frames));
    TELL(offsetof(engine_lane, index));
    return count;
}

size_t class_of(size_t bytes) { return engine_class_(bytes); }

void* allocate(const engine_arena* arena, size_t bytes) { return engine_allocate(engine_handle_of(arena), bytes); }

void* allocate_aligned(const engine_arena* arena, size_t bytes, size_t alignment) {
    return engine_allocate_aligned(engine_handle_of(arena), bytes, alignment);
}

void free_block(const engine_arena* arena, void* block) { engine_free(engine_handle_of(arena), block); }

void* reallocate(const engine_arena* arena, void* block, size_t bytes) {
    return engine_reallocate(engine_handle_of(arena), block, bytes);
}

size_t usable(const engine_arena* arena, const void* block) { return engine_usable(engine_handle_of(arena), block); }

static const engine_arena* counted;
static long calls;

static void* counting_allocate(const engine_arena* arena, engine_cache* cache, size_t bytes, size_t alignment) {
    (void)arena;
    calls++;
    return counted->allocate(counted, cache, bytes, alignment);
}

static void counting_free(const engine_arena* arena, engine_cache* cache, void* block) {
    (void)arena;
    calls++;
    counted->free(counted, cache, block);
}

/* Allocates and frees pairs of blocks, of which so many live, by one handle; returns how many calls left the inline
   path, or -1 where a block lost its contents. */
long calls_of_pairs(const engine_arena* arena, long pairs, size_t bytes, int live) {
    engine_arena copy = *arena;
    copy.allocate = counting_allocate;
    copy.free = counting_free;
    counted = arena;
    calls = 0;
    engine_handle handle = engine_handle_of(&copy);
    unsigned char* blocks[64] = { 0 };
    for (long pair = 0; pair < pairs; pair++) {
        unsigned char** place = &blocks[(pair * 7) % live];
        if (*place != NULL && ((*place)[0] != (unsigned char)(place - blocks) || (*place)[bytes - 1] != 0xA5))
            return -1;

        engine_free(handle, *place);
        *place = engine_allocate(handle, bytes);
        if (*place == NULL)
            return -1;

        memset(*place, 0xA5, bytes);
        (*place)[0] = (unsigned char)(place - blocks);
    }

    for (int index = 0; index < live; index++)
        engine_free(handle, blocks[index]);

    return calls;
}
