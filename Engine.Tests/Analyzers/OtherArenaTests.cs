namespace Engine.Tests.Analyzers;

/// <summary>SSE0006: a block that goes back to another arena.</summary>
internal sealed class OtherArenaTests
{
    [Test]
    public Task A_block_that_another_arena_frees_is_reported() => Check.InMethod("""
        LongLivedArena made = memory.CreateLongLivedArena("made");
        void* block = arena.Allocate(64);
        {|SSE0006:made.Free(block)|};
        {|SSE0006:other.Free(arena.Allocate<int>())|};
        Span<int> span = made.AllocateSpan<int>(4);
        {|SSE0006:arena.Free(span)|};
        void* larger = {|SSE0006:other.Reallocate(bytes: 128u, block: block)|};
        """);

    [Test]
    public Task Handles_references_and_other_forms_hide_nothing() => Check.InMethod("""
        LongLivedArena made = memory.CreateLongLivedArena("made");
        ArenaHandle handle = arena.GetHandle();
        ArenaRef reference = made;
        int* block = (int*)handle.Allocate(64);
        {|SSE0006:made.Free(block)|};
        {|SSE0006:reference.Free(handle.Allocate(16))|};
        if (made.TryAllocate(32, out void* tried))
            {|SSE0006:handle.Free(tried)|};

        SmallArena small = group.CreateArena("script");
        {|SSE0006:arena.Free(small.Allocate(8))|};
        """);

    [Test]
    public Task A_lanes_block_that_an_arena_frees_is_reported() => Check.InMethod("""
        FrameLane lane = frameArena.Lane(0);
        int* block = lane.Allocate<int>();
        {|SSE0006:arena.Free(block)|};
        """);

    [Test]
    public Task Blocks_that_their_own_arena_frees_are_right() => Check.InClass("""
        private readonly LongLivedArena _world = null!;

        private void Run(EngineMemory memory)
        {
            LongLivedArena made = memory.CreateLongLivedArena("made");
            made.Free(made.Allocate(16));
            ArenaHandle handle = made.GetHandle();
            void* block = handle.Allocate(16);
            made.Free(block);
            LongLivedArena same = made;
            same.Free(made.Allocate(16));
            _world.Free(_world.Allocate(16));
            ArenaRef reference = _world;
            reference.Free(_world.Allocate(16));
        }
        """);

    [Test]
    public Task What_may_be_the_same_arena_is_no_concern() => Check.InClass("""
        private readonly LongLivedArena _world = null!;

        private static void ByHandle(LongLivedArena arena, ArenaHandle handle) => handle.Free(arena.Allocate(16));

        private static void ByReference(LongLivedArena arena, ArenaRef reference) => reference.Free(arena.Allocate(16));

        private void OfScene(Scene scene) => _world.Free(scene.Arena.Allocate(16));

        private void OfField(LongLivedArena arena) => _world.Free(arena.Allocate(16));

        private static void Changed(EngineMemory memory, LongLivedArena arena, bool mine)
        {
            LongLivedArena one = memory.CreateLongLivedArena("made");
            if (mine)
                one = arena;

            one.Free(arena.Allocate(16));
            void* block = one.Allocate(16);
            block = null;
            arena.Free(block);
        }
        """);

    [Test]
    public Task The_message_says_what_to_do() => Check.Message(
        RuleIds.OtherArena,
        """
        void* block = arena.Allocate(64);
        {|#0:other.Free(block)|};
        """,
        "The block is allocated by 'arena' and given to 'other'; give it to 'arena'");

    [Test]
    public Task The_message_of_a_lane_says_what_to_do() => Check.Message(
        RuleIds.OtherArena,
        "{|#0:arena.Free(frameArena.Lane(0).Allocate(64))|};",
        "The block is allocated by 'frameArena.Lane(0)' and given to 'arena'; memory of a lane ends with its frame and "
            + "is freed by nobody");

    [Test]
    public Task The_fix_gives_the_block_to_its_own_arena() => Check.Fix<OtherArenaFix>(
        """
        void* block = arena.Allocate(64);
        {|SSE0006:other.Free(block)|};
        """,
        """
        void* block = arena.Allocate(64);
        arena.Free(block);
        """);

    [Test]
    public Task The_fix_of_a_lanes_block_frees_nothing() => Check.Fix<OtherArenaFix>(
        """
        FrameLane lane = frameArena.Lane(0);
        int* block = lane.Allocate<int>();
        *block = 1;
        {|SSE0006:arena.Free(block)|};
        """,
        """
        FrameLane lane = frameArena.Lane(0);
        int* block = lane.Allocate<int>();
        *block = 1;
        """);
}
