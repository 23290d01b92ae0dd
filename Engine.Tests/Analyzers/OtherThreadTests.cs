namespace Engine.Tests.Analyzers;

/// <summary>SSE0003: what belongs to one thread and is used on another.</summary>
internal sealed class OtherThreadTests
{
    [Test]
    public Task A_registration_that_another_thread_brackets_its_work_with_is_reported() => Check.InMethod("""
        GuardedThread me = guard.RegisterThread("physics");
        new Thread(() =>
        {
            {|SSE0003:me|}.Begin();
            me.End();
        }).Start();
        Task.Run(() => {|SSE0003:me|}.Begin());
        ThreadPool.QueueUserWorkItem(_ => {|SSE0003:me|}.End());
        Parallel.For(0, 4, _ => {|SSE0003:me|}.Begin());
        Task.Factory.StartNew(() => {|SSE0003:me|}.Dispose());
        """);

    [Test]
    public Task A_reference_to_a_lane_that_another_thread_gets_is_reported() => Check.InMethod("""
        ArenaRef lane = frameArena.Lane(0);
        Task.Run(() => new NativeList<int>({|SSE0003:lane|}).Add(1));
        """);

    [Test]
    public Task A_handle_that_a_lambda_captures_is_reported_beside_the_compilers_error() => Check.InMethod("""
        ArenaHandle handle = arena.GetHandle();
        Task.Run(() => { {|SSE0003:{|CS8175:handle|}|}.Free(null); });
        """);

    [Test]
    public Task What_is_used_behind_an_await_is_reported() => Check.Code<EngineUseAnalyzer>(Check.Types("""
        internal static class Loader
        {
            private static async Task Load(HotLoopGuard guard)
            {
                GuardedThread me = guard.RegisterThread("loader");
                me.Begin();
                await Task.Delay(1);
                {|SSE0003:me|}.End();
            }

            private static async Task LoadUsing(HotLoopGuard guard)
            {
                using GuardedThread me = guard.RegisterThread("loader");
                {|SSE0003:await Task.Delay(1)|};
            }

            private static async Task Frame(HotLoopGuard guard)
            {
                guard.BeginFrame();
                await Task.Delay(1);
                await Task.Delay(2);
                {|SSE0003:guard.EndFrame()|};
            }

            private static async Task Frames(GameFrames frames)
            {
                frames.BeginFrame();
                await Task.Delay(1);
                {|SSE0003:frames.EndFrame()|};
            }
        }
        """));

    [Test]
    public Task What_the_thread_takes_itself_is_right() => Check.InMethod("""
        Thread worker = new(() =>
        {
            using GuardedThread me = guard.RegisterThread("physics");
            ArenaHandle handle = arena.GetHandle();
            FrameLane lane = frameArena.Lane(1);
            me.Begin();
            handle.Free(null);
            lane.Allocate(16);
            me.End();
        });
        worker.Start();
        Task.Run(() =>
        {
            ArenaRef lane = frameArena.Lane(1);
            return new NativeList<int>(lane).Count;
        });
        """);

    [Test]
    public Task What_any_thread_may_use_is_right() => Check.InMethod("""
        GuardedThread me = guard.RegisterThread("main");
        ArenaRef reference = arena;
        NativeMpmcQueue<int> queue = new(arena, 64);
        Task.Run(() => queue.TryEnqueue((int)me.Total.PageFaults));
        Task.Run(() => new NativeList<int>(reference).Add(me.Name.Length));
        Task.Run(() => arena.Free(arena.Allocate(16)));
        Action here = () => me.Begin();
        here();
        me.End();
        queue.Dispose();
        """);

    [Test]
    public Task An_await_between_the_uses_of_others_is_right() => Check.Code<EngineUseAnalyzer>(Check.Types("""
        internal static class Loader
        {
            private static async Task Load(HotLoopGuard guard, LongLivedArena arena)
            {
                using GuardedThread made = await Make(guard);
                using (GuardedThread me = guard.RegisterThread("loader"))
                {
                    me.Begin();
                    me.End();
                }

                using NativeList<int> list = new(arena);
                guard.BeginFrame();
                guard.EndFrame();
                list.Add(1);
            }

            private static async Task<GuardedThread> Make(HotLoopGuard guard)
            {
                await Task.Delay(1);
                return guard.RegisterThread("loader");
            }

            private static async Task Wait(HotLoopGuard guard, LongLivedArena arena)
            {
                using NativeList<int> list = new(arena);
                using (GuardedThread me = guard.RegisterThread("loader"))
                {
                    me.Begin();
                    me.End();
                }

                await Task.Delay(1);
                list.Add(1);
            }
        }
        """));

    [Test]
    public Task The_message_says_what_to_do() => Check.Message(
        RuleIds.OtherThread,
        """
        GuardedThread me = guard.RegisterThread("main");
        Task.Run(() => {|#0:me|}.Begin());
        me.End();
        """,
        "'me' belongs to the thread that took it and is captured by code that another thread may run; take it on the "
            + "thread that uses it");
}
