namespace Engine.Tests.Analyzers;

/// <summary>SSE0001: a scope or a mark that is not ended.</summary>
internal sealed class OpenScopeTests
{
    [Test]
    public Task A_scope_that_nobody_keeps_is_reported() => Check.InMethod("""
        {|SSE0001:frameArena.Lane(0).BeginScope()|};
        {|SSE0001:tag.Begin()|};
        {|SSE0001:guard.Part("draw")|};
        {|SSE0001:guard.Exclude("driver")|};
        {|SSE0001:frames.Begin()|};
        _ = {|SSE0001:tag.Begin()|};
        """);

    [Test]
    public Task A_scope_in_a_local_that_nobody_disposes_is_reported() => Check.InMethod("""
        TagScope scope = {|SSE0001:tag.Begin()|};
        GameFrame frame = {|SSE0001:frames.Begin()|};
        long number = frame.Number;
        FramePartScope part;
        part = {|SSE0001:guard.Part("draw")|};
        """);

    [Test]
    public Task A_mark_that_nobody_rewinds_to_is_reported() => Check.InMethod("""
        FrameLane lane = frameArena.Lane(0);
        {|SSE0001:lane.Mark()|};
        FrameMark mark = {|SSE0001:lane.Mark()|};
        """);

    [Test]
    public Task A_scope_that_a_using_ends_is_right() => Check.InMethod("""
        using FrameScope scope = frameArena.Lane(0).BeginScope();
        using (tag.Begin())
            arena.Free(null);

        using (GameFrame frame = frames.Begin())
            Console.WriteLine(frame.Number);

        using FramePartScope wait = guard.IsArmed ? guard.Exclude("wait") : default;
        """);

    [Test]
    public Task A_scope_that_is_disposed_by_hand_is_right() => Check.InMethod("""
        FrameScope outer = frameArena.Lane(0).BeginScope();
        FrameScope inner = frameArena.Lane(0).BeginScope();
        inner.Dispose();
        outer.Dispose();
        TagScope scope;
        scope = tag.Begin();
        try
        {
            arena.Free(null);
        }
        finally
        {
            scope.Dispose();
        }
        """);

    [Test]
    public Task A_scope_that_goes_to_a_caller_is_his() => Check.InClass("""
        private static FrameScope Begin(FrameLane lane) => lane.BeginScope();

        private static FramePartScope Part(HotLoopGuard guard)
        {
            FramePartScope part = guard.Part("draw");
            return part;
        }

        private static void Use(FrameLane lane)
        {
            using FrameScope scope = Begin(lane);
            {|SSE0001:Begin(lane)|};
        }

        private static void Drop(FrameLane lane) => {|SSE0001:lane.BeginScope()|};
        """);

    [Test]
    public Task A_mark_that_is_used_is_right() => Check.InMethod("""
        FrameLane lane = frameArena.Lane(0);
        FrameMark mark = lane.Mark();
        lane.Allocate(16);
        lane.Rewind(mark);
        List<FrameMark> marks = [lane.Mark()];
        """);

    [Test]
    public Task The_expression_of_a_lambda_is_an_assertions() => Check.InMethod("""
        Action fails = () => guard.Exclude(null);
        """);

    [Test]
    public Task The_message_says_what_to_do() => Check.Message(
        RuleIds.OpenScope, """{|#0:guard.Part("draw")|};""",
        """The FramePartScope of 'guard.Part("draw")' is never disposed; declare it with 'using'""");

    [Test]
    public Task The_message_of_a_mark_says_what_to_do() => Check.Message(
        RuleIds.OpenScope, "FrameMark mark = {|#0:frameArena.Lane(0).Mark()|};",
        "The FrameMark of 'frameArena.Lane(0).Mark()' is never rewound to; call Rewind, or take no mark");

    [Test]
    public Task The_fix_declares_a_local_with_using() => Check.Fix<OpenScopeFix>(
        """
        // Terrain.
        TagScope scope = {|SSE0001:tag.Begin()|};
        arena.Free(null);
        """,
        """
        // Terrain.
        using TagScope scope = tag.Begin();
        arena.Free(null);
        """);

    [Test]
    public Task The_fix_names_what_nobody_kept() => Check.Fix<OpenScopeFix>(
        """
        int scope = 0;
        {|SSE0001:frameArena.Lane(scope).BeginScope()|};
        """,
        """
        int scope = 0;
        using FrameScope scope2 = frameArena.Lane(scope).BeginScope();
        """);

    [Test]
    public Task A_mark_has_no_fix() => Check.Fix<OpenScopeFix>(
        "{|SSE0001:frameArena.Lane(0).Mark()|};", "{|SSE0001:frameArena.Lane(0).Mark()|};");
}
