/* The shared library, used as a program in C uses it: .ci/native-library compiles and runs this. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include "engine_memory.h"

static int passed, failed;

#define CHECK(condition) check((condition) != 0, #condition, __LINE__)
#define OK(call) check((call) == ENGINE_OK, #call, __LINE__)
#define FAILS(result, call, words) check((call) == (result) && strstr(engine_message(), words) != NULL, #call, __LINE__)

static void check(int is_true, const char* what, int line) {
    if (is_true) {
        passed++;
    } else {
        failed++;
        fprintf(stderr, "line %d: %s: %s\n", line, what, engine_message());
    }
}

enum { BLOCKS = 20000 };
static const engine_arena* shared;
static unsigned char* blocks[2][BLOCKS];
static pthread_barrier_t half;

/* Allocates, meets the other thread, checks and frees what that one allocated. */
static void* work(void* argument) {
    long number = (long)argument;
    engine_handle handle = engine_handle_of(shared);
    long wrong = 0;
    for (int index = 0; index < BLOCKS; index++) {
        size_t bytes = (size_t)(index * 37 % 3000) + 1;
        blocks[number][index] = engine_allocate(handle, bytes);
        memset(blocks[number][index], (int)(number + index), bytes);
    }

    pthread_barrier_wait(&half);
    for (int index = 0; index < BLOCKS; index++) {
        unsigned char* block = blocks[1 - number][index];
        size_t bytes = (size_t)(index * 37 % 3000) + 1;
        unsigned char value = (unsigned char)(1 - number + index);
        wrong += block[0] != value || block[bytes - 1] != value;
        engine_free(handle, block);
    }

    return (void*)wrong;
}

static void threads(engine_memory* memory) {
    OK(engine_arena_create(memory, NULL, &shared));
    pthread_barrier_init(&half, NULL, 2);
    pthread_t threads[2];
    for (long number = 0; number < 2; number++)
        pthread_create(&threads[number], NULL, work, (void*)number);

    for (int number = 0; number < 2; number++) {
        void* wrong;
        pthread_join(threads[number], &wrong);
        CHECK(wrong == NULL);
    }

    engine_arena_figures figures = { 0 };
    ENGINE_INIT(figures);
    OK(engine_arena_figures_of(shared, &figures));
    CHECK(figures.live_bytes == 0 && figures.owned_bytes != 0);
    OK(engine_memory_validate(memory));
    OK(engine_arena_destroy(shared));
}

static void arenas(engine_memory* memory) {
    engine_arena_options options = { 0 };
    ENGINE_INIT(options);
    options.name = "budgeted";
    options.budget_bytes = 8 << 20;
    const engine_arena* arena;
    OK(engine_arena_create(memory, &options, &arena));
    CHECK(engine_fits(arena));
    engine_arena other = *arena;
    other.layout++;
    CHECK(!engine_fits(&other));
    engine_block_count counts[] = { { 64, 10000 }, { 4096, 100 } };
    OK(engine_arena_prewarm(arena, counts, 2, 1));
    engine_handle handle = engine_handle_of(arena);
    engine_memory_figures before = { 0 };
    ENGINE_INIT(before);
    OK(engine_memory_figures_of(memory, &before));
    void* block = NULL;
    for (int index = 0; index < 10000; index++) {
        block = engine_allocate(handle, 64);
        CHECK(block != NULL);
        passed--;
    }

    engine_memory_figures after = before;
    OK(engine_memory_figures_of(memory, &after));
    CHECK(after.os_calls == before.os_calls);
    CHECK(engine_usable(handle, block) == 64);
    block = engine_reallocate(handle, block, 100);
    CHECK(block != NULL && engine_usable(handle, block) >= 100);
    CHECK((uintptr_t)engine_allocate_aligned(handle, 100, 4096) % 4096 == 0);
    size_t held = 0;
    while (held < 100 && engine_allocate(handle, 1 << 20) != NULL)
        held++;

    CHECK(held < 8);
    OK(engine_arena_reset(arena));
    CHECK(engine_allocate(handle, 1 << 20) != NULL);
    OK(engine_arena_destroy(arena));
    CHECK(engine_allocate(handle, 64) == NULL);
    FAILS(ENGINE_BAD_ARGUMENT, engine_arena_destroy(arena), "no living engine_arena");
}

static void frames(engine_memory* memory) {
    engine_frames_options options = { 0 };
    ENGINE_INIT(options);
    options.bytes_per_lane = 64 << 10;
    options.lanes = 2;
    engine_frames* frames;
    OK(engine_frames_create(memory, &options, &frames));
    engine_lane lane;
    OK(engine_frames_lane(frames, 1, &lane));
    FAILS(ENGINE_BAD_ARGUMENT, engine_frames_lane(frames, 2, &lane), "");
    char* first = engine_lane_allocate(lane, 100);
    CHECK((uintptr_t)first % 16 == 0 && (char*)engine_lane_allocate(lane, 1) == first + 112);
    char* large = engine_lane_allocate(lane, 200 << 10);
    CHECK(large != NULL);
    memset(large, 1, 200 << 10);
    OK(engine_frames_next(frames));
    CHECK((char*)engine_lane_allocate(lane, 100) != first);
    OK(engine_frames_next(frames));
    CHECK((char*)engine_lane_allocate(lane, 100) == first);
    OK(engine_frames_destroy(frames));
    FAILS(ENGINE_BAD_ARGUMENT, engine_frames_next(frames), "no living engine_frames");
}

static void scenes(engine_memory* memory) {
    static const char plan[] =
        "{ \"name\": \"level\", \"frame\": { \"bytesPerLane\": \"64 KiB\" },"
        "  \"arenas\": { \"props\": { \"prewarm\": { \"blocks\": [ { \"bytes\": 256, \"count\": 1000 } ] } } } }";
    engine_scene* scene;
    FAILS(ENGINE_BAD_PLAN, engine_scene_load(memory, "{ \"arenas\": 3 }", 15, &scene), "arenas");
    CHECK(scene == NULL);
    OK(engine_scene_load(memory, plan, sizeof(plan) - 1, &scene));
    const engine_arena* props;
    OK(engine_scene_arena(scene, "props", &props));
    FAILS(ENGINE_BAD_ARGUMENT, engine_scene_arena(scene, "actors", &props), "actors");
    OK(engine_scene_arena(scene, "props", &props));
    CHECK(engine_allocate(engine_handle_of(props), 256) != NULL);
    engine_frames* frames;
    OK(engine_scene_frames(scene, &frames));
    OK(engine_frames_next(frames));
    OK(engine_scene_unload(scene));
    FAILS(ENGINE_BAD_ARGUMENT, engine_scene_unload(scene), "no living engine_scene");
}

static void versions(void) {
    engine_memory* memory;
    struct { engine_memory_options known; uint64_t later; } later = { 0 };
    later.known.bytes = sizeof(later);
    FAILS(ENGINE_BAD_ARGUMENT, engine_memory_create_for(99, NULL, &memory), "layout 99");
    OK(engine_memory_create(&later.known, &memory));
    OK(engine_memory_destroy(memory));
    later.later = 1;
    FAILS(ENGINE_BAD_ARGUMENT, engine_memory_create(&later.known, &memory), "does not know");
    CHECK(memory == NULL);
    later.known.bytes = 0;
    FAILS(ENGINE_BAD_ARGUMENT, engine_memory_create(&later.known, &memory), "sizeof(engine_memory_options)");
    engine_memory_options options = { 0 };
    ENGINE_INIT(options);
    options.pages = "enormous";
    FAILS(ENGINE_BAD_ARGUMENT, engine_memory_create(&options, &memory), "'enormous'");
    options.pages = NULL;
    options.reservation_bytes = 12345;
    FAILS(ENGINE_BAD_ARGUMENT, engine_memory_create(&options, &memory), "");
    FAILS(ENGINE_BAD_ARGUMENT, engine_memory_create(NULL, NULL), "");
    FAILS(ENGINE_BAD_ARGUMENT, engine_memory_validate((engine_memory*)0x1234), "0x1234 is no living engine_memory");
}

int main(void) {
    CHECK(engine_layout() == ENGINE_LAYOUT);
    CHECK(strlen(engine_message()) == 0);
    versions();
    engine_memory_options options = { 0 };
    ENGINE_INIT(options);
    options.reservation_bytes = (uint64_t)1 << 32;
    engine_memory* memory;
    OK(engine_memory_create(&options, &memory));
    arenas(memory);
    threads(memory);
    frames(memory);
    scenes(memory);
    OK(engine_memory_validate(memory));
    OK(engine_memory_trim(memory, 0));
    OK(engine_memory_destroy(memory));
    printf("%d passed, %d failed\n", passed, failed);
    return failed == 0 ? 0 : 1;
}
