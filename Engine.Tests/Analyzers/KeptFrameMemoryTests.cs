namespace Engine.Tests.Analyzers;

/// <summary>SSE0002: memory of a frame that is kept beyond its frame.</summary>
internal sealed class KeptFrameMemoryTests
{
    [Test]
    public Task Memory_of_a_lane_in_a_field_is_reported() => Check.InClass("""
        private static int* s_numbers;
        private NativeList<int> _list;
        private NativeStream _stream;
        private int* _numbers;
        private nint _address;
        private NativeList<int>[] _lists = new NativeList<int>[2];
        private NativeText Text { get; set; }

        private void Keep(FrameArena frames, FrameLane lane)
        {
            s_numbers = {|SSE0002:lane.Allocate<int>()|};
            _list = {|SSE0002:new NativeList<int>(lane)|};
            _list = {|SSE0002:new(capacity: 16, arena: frames.Lane(0))|};
            _stream = {|SSE0002:NativeStream.InLanes(frames)|};
            _numbers = {|SSE0002:(int*)lane.Allocate(64)|};
            _address = {|SSE0002:(nint)lane.Allocate(64, 32)|};
            _lists[0] = {|SSE0002:new NativeList<int>(lane)|};
            Text = {|SSE0002:new NativeText(lane)|};
        }
        """);

    [Test]
    public Task A_local_on_the_way_to_a_field_hides_nothing() => Check.InClass("""
        private NativeList<int> _list;
        private int* _second;

        private void Keep(FrameLane lane, Game other)
        {
            ArenaRef reference = lane;
            NativeList<int> list = new(reference);
            list.Add(1);
            _list = {|SSE0002:list|};
            int* first = lane.Allocate<int>();
            other._second = {|SSE0002:first + 1|};
        }
        """);

    [Test]
    public Task Memory_that_a_method_returns_out_of_its_scope_is_reported() => Check.InClass("""
        private static Span<int> Scope(FrameLane lane)
        {
            using FrameScope scope = lane.BeginScope();
            Span<int> numbers = lane.AllocateSpan<int>(8);
            return {|SSE0002:numbers[..4]|};
        }

        private static int* Frame(GameFrames frames, FrameArena arena)
        {
            using (frames.Begin())
                return {|SSE0002:arena.Lane(0).Allocate<int>()|};
        }

        private static NativeList<int> Ended(GameFrames frames, FrameArena arena)
        {
            frames.BeginFrame();
            NativeList<int> list = new(arena.Lane(0));
            frames.EndFrame();
            return {|SSE0002:list|};
        }

        private static ReadOnlySpan<int> Next(FrameArena arena)
        {
            NativeList<int> list = new(arena.Lane(0));
            arena.NextFrame();
            return {|SSE0002:list.AsSpan()|};
        }
        """);

    [Test]
    public Task Memory_that_is_used_after_its_scope_is_reported() => Check.InMethod("""
        FrameLane lane = frameArena.Lane(0);
        Span<int> numbers = default;
        using (lane.BeginScope())
        {
            numbers = lane.AllocateSpan<int>(8);
            numbers[0] = 1;
        }

        Console.WriteLine({|SSE0002:numbers|}[0]);
        """);

    [Test]
    public Task Scratch_memory_that_a_frame_returns_is_right() => Check.InClass("""
        private readonly FrameArena _frames = null!;

        public Span<int> Scratch(int worker, int count) => _frames.Lane(worker).AllocateSpan<int>(count);

        public NativeText Line(int score)
        {
            NativeText text = new(_frames.Lane(0));
            text.Append($"score {score}");
            return text;
        }

        public Span<int> FromAnotherLane(int count)
        {
            using FrameScope scope = _frames.Lane(0).BeginScope();
            return _frames.Lane(1).AllocateSpan<int>(count);
        }
        """);

    [Test]
    public Task Memory_of_an_arena_in_a_field_is_right() => Check.InClass("""
        private readonly NativeArray<int> _marks;
        private NativeList<int> _list;
        private int* _numbers;
        private ArenaRef _reference;
        private int _first;
        private int _count;

        public Game(LongLivedArena arena) => _marks = new(arena, 16);

        private void Keep(LongLivedArena arena, FrameLane lane)
        {
            _list = new(arena);
            _numbers = arena.Allocate<int>();
            _reference = lane;
            _first = *lane.Allocate<int>();
            _first = lane.AllocateSpan<int>(4)[0];
            _count = new NativeList<int>(lane).Count;
        }
        """);

    [Test]
    public Task A_job_on_the_stack_may_hold_the_frames_memory() => Check.Code<EngineUseAnalyzer>(Check.Types("""
        internal struct Job : IRangeJob
        {
            public NativeStream Hits;
            public NativeList<int> Found;

            public void Execute(int start, int end, int worker) => Hits.Write(worker, start);
        }

        internal unsafe struct Node
        {
            public Node* Next;
        }

        internal ref struct View
        {
            public Span<int> Numbers;

            public View(FrameLane lane) => Numbers = lane.AllocateSpan<int>(4);
        }

        internal static unsafe class Frames
        {
            public static void Run(WorkerPool pool, FrameArena frames)
            {
                FrameLane lane = frames.Lane(0);
                Job job = new() { Hits = NativeStream.InLanes(frames) };
                job.Found = new NativeList<int>(lane);
                pool.Run(ref job, 100);
                Node* node = lane.Allocate<Node>();
                node->Next = lane.Allocate<Node>();
            }
        }
        """));

    [Test]
    public Task A_local_that_gets_another_value_is_right_after_the_scope() => Check.InMethod("""
        FrameLane lane = frameArena.Lane(0);
        Span<int> numbers = default;
        using (lane.BeginScope())
            numbers = lane.AllocateSpan<int>(8);

        numbers = new int[8];
        Console.WriteLine(numbers[0]);
        """);

    [Test]
    public Task An_address_may_be_compared_after_the_scope() => Check.InMethod("""
        FrameLane lane = frameArena.Lane(0);
        nint first;
        using (lane.BeginScope())
            first = (nint)lane.Allocate(16);

        Console.WriteLine(first == (nint)lane.Allocate(16));
        """);

    [Test]
    public Task The_message_says_what_to_do() => Check.Message<EngineUseAnalyzer>(
        RuleIds.KeptFrameMemory, Microsoft.CodeAnalysis.DiagnosticSeverity.Warning,
        Check.Members("""
            private NativeList<int> _list;

            private void Keep(FrameLane lane) => _list = {|#0:new(lane)|};
            """),
        "The 'NativeList<int>' lies in a lane and ends with its frame, but is stored in '_list', which outlives it; "
            + "copy it, or make it in a long-lived arena");
}
