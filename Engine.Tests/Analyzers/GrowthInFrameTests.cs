namespace Engine.Tests.Analyzers;

/// <summary>SSE0004: a list that may grow inside a frame.</summary>
internal sealed class GrowthInFrameTests
{
    [Test]
    public Task An_add_between_the_beginning_and_the_end_of_a_frame_is_reported() => Check.InMethod("""
        using NativeList<int> list = new(arena);
        list.Add(0);
        frames.BeginFrame();
        list.{|SSE0004:Add|}(1);
        frames.EndFrame();
        list.Add(2);
        guard.BeginFrame();
        for (int index = 0; index < 10; index++)
            list.{|SSE0004:Add|}(index);

        guard.EndFrame();
        using (frames.Begin())
            list.{|SSE0004:Add|}(3);

        using GameFrame frame = frames.Begin();
        list.{|SSE0004:Add|}(4);
        """);

    [Test]
    public Task An_add_in_a_worker_s_part_of_the_frame_is_reported() => Check.InClass("""
        private NativeList<int> _list;

        private void Work(GuardedThread me)
        {
            me.Begin();
            _list.{|SSE0004:Add|}(1);
            me.End();
        }
        """);

    [Test]
    public Task An_add_in_what_a_loop_or_a_pool_runs_is_reported() => Check.Code<EngineUseAnalyzer>(Check.Types("""
        internal sealed class World(LongLivedArena arena) : IGame
        {
            private NativeList<int> _list = new(arena, 64);

            public bool IsRunning => true;

            public void Update(long step, double seconds) => _list.{|SSE0004:Add|}((int)step);

            void IGame.Draw(double alpha) => _list.{|SSE0004:Add|}(1);

            public void Load() => _list.Add(2);
        }

        internal struct Job : IRangeJob
        {
            public NativeList<int> Found;

            public void Execute(int start, int end, int worker) => Found.{|SSE0004:Add|}(start);

            public void Update() => Found.Add(1);
        }
        """));

    [Test]
    public Task Adding_without_growing_is_right() => Check.InMethod("""
        using NativeList<int> list = new(arena, 64);
        using NativeHashSet<int> set = new(arena, 64);
        frames.BeginFrame();
        list.AddNoResize(1);
        list.AsParallelWriter().AddNoResize(2);
        set.Add(3);
        new List<int>().Add(4);
        frames.EndFrame();
        """);

    [Test]
    public Task A_list_in_a_lane_may_grow() => Check.InMethod("""
        using (frames.Begin())
        {
            NativeList<int> list = new(frameArena.Lane(0));
            list.Add(1);
        }
        """);

    [Test]
    public Task A_frame_that_only_a_profiler_measures_has_no_rule() => Check.InClass("""
        private static void Load(Profiler profiler, NativeList<int> list)
        {
            profiler.BeginFrame();
            list.Add(1);
            profiler.EndFrame();
        }
        """);

    [Test]
    public Task The_message_says_what_to_do() => Check.Message(
        RuleIds.GrowthInFrame,
        """
        NativeList<int> list = new(arena);
        using (frames.Begin())
            list.{|#0:Add|}(3);
        """,
        "'list.Add' may grow the list inside a frame; make room before the frame and call 'AddNoResize'");

    [Test]
    public Task The_fix_adds_without_growing() => Check.Fix<GrowthInFrameFix>(
        """
        using NativeList<int> list = new(arena, 64);
        using (frames.Begin())
            list.{|SSE0004:Add|}(3);
        """,
        """
        using NativeList<int> list = new(arena, 64);
        using (frames.Begin())
            list.AddNoResize(3);
        """);
}
