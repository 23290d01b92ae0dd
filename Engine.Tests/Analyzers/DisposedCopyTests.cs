namespace Engine.Tests.Analyzers;

/// <summary>SSE0005: a container that is disposed under the name of a copy.</summary>
internal sealed class DisposedCopyTests
{
    [Test]
    public Task A_parameter_by_value_that_is_disposed_is_reported() => Check.InClass("""
        private static void End(NativeList<int> list) => {|SSE0005:list|}.Dispose();

        private static void EndText(in NativeText text) => {|SSE0005:text|}.Dispose();

        private static void Use(NativeList<int> list)
        {
            using NativeList<int> {|SSE0005:mine = list|};
            mine.Add(1);
        }
        """);

    [Test]
    public Task A_copy_in_a_local_that_is_disposed_is_reported() => Check.InClass("""
        private NativeList<int> _list;

        private void End(LongLivedArena arena)
        {
            NativeHashMap<int, int> map = new(arena);
            NativeHashMap<int, int> copy = map;
            {|SSE0005:copy|}.Dispose();
            map.Dispose();
            NativeList<int> list = _list;
            {|SSE0005:list|}.Dispose();
        }
        """);

    [Test]
    public Task A_read_only_name_that_is_disposed_is_reported() => Check.InClass("""
        private readonly NativeArray<int> _marks;

        private NativeList<int> List { get; }

        public Game(LongLivedArena arena)
        {
            _marks = new(arena, 4);
            _marks.Dispose();
        }

        public void Dispose()
        {
            {|SSE0005:_marks|}.Dispose();
            {|SSE0005:List|}.Dispose();
        }
        """);

    [Test]
    public Task What_a_using_disposes_and_its_method_gives_away_is_reported() => Check.InClass("""
        private NativeList<int> _list;

        private static NativeList<int> Make(LongLivedArena arena)
        {
            using NativeList<int> list = new(arena);
            list.Add(1);
            return {|SSE0005:list|};
        }

        private static Span<int> View(LongLivedArena arena)
        {
            using NativeArray<int> array = new(arena, 4);
            return {|SSE0005:array.AsSpan()|};
        }

        private void Keep(LongLivedArena arena)
        {
            using NativeList<int> list = new(arena);
            _list = {|SSE0005:list|};
        }
        """);

    [Test]
    public Task Copies_that_nobody_disposes_are_right() => Check.InClass("""
        private NativeList<int> _list;
        private readonly NativeList<int>[] _kinds = new NativeList<int>[3];

        private static long Sum(NativeList<int> list)
        {
            NativeList<int> same = list;
            long sum = 0;
            foreach (int number in same)
                sum += number;

            return sum + Sum(list);
        }

        private void Use(int kind)
        {
            NativeList<int> list = _kinds[kind];
            list.Add(1);
            _list = list;
        }
        """);

    [Test]
    public Task The_one_name_that_is_disposed_is_right() => Check.InClass("""
        private NativeList<int> _list;

        public void Dispose() => _list.Dispose();

        private static void End(ref NativeList<int> list) => list.Dispose();

        private static void Refill(NativeList<int> list, LongLivedArena arena)
        {
            list = new(arena);
            list.Dispose();
        }

        private void Replace(LongLivedArena arena)
        {
            NativeList<int> old = _list;
            _list = new(arena);
            old.Dispose();
            NativeList<int> made = new(arena);
            made.Dispose();
            using NativeList<int> early = new(arena);
            early.Dispose();
        }

        private static void EndAll(LongLivedArena arena)
        {
            using NativeHashMap<int, NativeList<int>> cells = new(arena);
            ref NativeList<int> cell = ref cells.GetOrAdd(7, out bool exists);
            cell.Dispose();
            foreach (ref var entry in cells)
                entry.Value.Dispose();
        }
        """);

    [Test]
    public Task The_message_says_what_to_do() => Check.Message(
        RuleIds.DisposedCopy,
        """
        NativeList<int> list = new(arena);
        NativeList<int> copy = list;
        {|#0:copy|}.Dispose();
        """,
        "'copy' is a copy of 'list', which still leads to the freed memory afterwards; dispose the original");

    [Test]
    public Task The_fix_makes_a_read_only_field_writable() => Check.Fix<EngineUseAnalyzer, DisposedCopyFix>(
        Check.Members("""
            private readonly NativeArray<int> _marks;

            public void Dispose() => {|SSE0005:_marks|}.Dispose();
            """),
        Check.Members("""
            private NativeArray<int> _marks;

            public void Dispose() => _marks.Dispose();
            """));

    [Test]
    public Task The_fix_takes_a_parameter_by_reference_in_all_calls() =>
        Check.Fix<EngineUseAnalyzer, DisposedParameterFix>(
            Check.Members("""
                private NativeList<int> _list;

                private static void End(int number, NativeList<int> list) => {|SSE0005:list|}.Dispose();

                private void EndAll(NativeList<int> other)
                {
                    End(1, _list);
                    End(list: other, number: 2);
                }
                """),
            Check.Members("""
                private NativeList<int> _list;

                private static void End(int number, ref NativeList<int> list) => list.Dispose();

                private void EndAll(NativeList<int> other)
                {
                    End(1, ref _list);
                    End(list: ref other, number: 2);
                }
                """));

    [Test]
    public Task A_parameter_whose_calls_cannot_pass_a_reference_has_no_fix()
    {
        string code = Check.Members("""
            public static void EndOfAnybody(NativeList<int> list) => {|SSE0005:list|}.Dispose();

            private static void End(NativeList<int> list) => {|SSE0005:list|}.Dispose();

            private static void Use(LongLivedArena arena) => End(new NativeList<int>(arena));
            """);
        return Check.Fix<EngineUseAnalyzer, DisposedParameterFix>(code, code);
    }
}
