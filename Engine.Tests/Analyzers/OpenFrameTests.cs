namespace Engine.Tests.Analyzers;

/// <summary>SSE0007: a frame that begins and does not end.</summary>
internal sealed class OpenFrameTests
{
    [Test]
    public Task A_frame_of_a_local_that_nobody_ends_is_reported() => Check.InMethod("""
        GameFrames own = new(guard);
        {|SSE0007:own.BeginFrame()|};
        using Profiler profiler = new(memory);
        {|SSE0007:profiler.BeginFrame()|};
        Console.WriteLine(profiler.FrameCount);
        GuardedThread me = guard.RegisterThread("main");
        {|SSE0007:me.Begin()|};
        """);

    [Test]
    public Task A_frame_of_a_private_field_that_the_class_does_not_end_is_reported() => Check.InClass("""
        private readonly GameFrames _frames;

        public Game(HotLoopGuard guard) => _frames = new(guard);

        public void Play() => {|SSE0007:_frames.BeginFrame()|};

        public long Count => this._frames.FrameCount;
        """);

    [Test]
    public Task A_return_inside_a_frame_is_reported() => Check.InClass("""
        private static int Play(HotLoopGuard guard, int actors)
        {
            guard.BeginFrame();
            if (actors == 0)
            {
                {|SSE0007:return 0;|}
            }

            for (int actor = 0; actor < actors; actor++)
            {
                if (actor == 7)
                {
                    guard.EndFrame();
                    return 7;
                }

                if (actor == 8)
                    {|SSE0007:return 8;|}
            }

            guard.EndFrame();
            return actors;
        }
        """);

    [Test]
    public Task A_frame_that_ends_is_right() => Check.InClass("""
        private static int Play(HotLoopGuard guard, GameFrames frames, int actors)
        {
            using (frames.Begin())
            {
                if (actors == 0)
                    return 0;
            }

            guard.BeginFrame();
            try
            {
                if (actors == 1)
                    return 1;
            }
            finally
            {
                guard.EndFrame();
            }

            GameFrames own = new(guard);
            own.BeginFrame();
            Action end = own.EndFrame;
            end();
            frames.BeginFrame();
            Func<int> count = () => { return actors; };
            frames.EndFrame();
            return count();
        }
        """);

    [Test]
    public Task A_frame_that_another_may_end_is_right() => Check.InClass("""
        private readonly HotLoopGuard _guard = null!;
        private readonly GameFrames _frames = null!;
        private readonly Profiler _profiler = null!;

        public HotLoopGuard Guard => _guard;

        public void BeginGuard() => _guard.BeginFrame();

        public void BeginProfiler() => _profiler.BeginFrame();

        public void EndProfiler() => _profiler.EndFrame();

        public void BeginFrames()
        {
            _frames.BeginFrame();
            Finish(_frames);
        }

        private static void Begin(HotLoopGuard guard) => guard.BeginFrame();

        private static void Finish(GameFrames frames) => frames.EndFrame();

        private static void Local(HotLoopGuard guard)
        {
            GameFrames own = new(guard);
            own.BeginFrame();
            Finish(own);
        }
        """);

    [Test]
    public Task The_message_says_what_to_do() => Check.Message(
        RuleIds.OpenFrame,
        """
        GameFrames own = new(guard);
        {|#0:own.BeginFrame()|};
        """,
        "'own.BeginFrame()' begins what no 'EndFrame' ends; call it, in a finally block where code may throw");

    [Test]
    public Task The_message_of_a_return_says_what_to_do() => Check.Message(
        RuleIds.OpenFrame,
        """
        frames.BeginFrame();
        if (arena.SuperSlabCount == 0)
            {|#0:return;|}

        frames.EndFrame();
        """,
        "'frames.BeginFrame()' is left without 'EndFrame' by this return; call it in a finally block");

    [Test]
    public Task The_fix_ends_the_frame_with_using() => Check.Fix<OpenFrameFix>(
        """
        GameFrames own = new(guard);
        {|SSE0007:own.BeginFrame()|};
        arena.Free(null);
        """,
        """
        GameFrames own = new(guard);
        using GameFrame frame = own.Begin();
        arena.Free(null);
        """);
}
