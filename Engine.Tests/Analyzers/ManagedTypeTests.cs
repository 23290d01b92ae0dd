using Microsoft.CodeAnalysis;

namespace Engine.Tests.Analyzers;

/// <summary>SSE0008: a managed type where memory must be unmanaged. The compiler's own error stands beside it.
/// </summary>
internal sealed class ManagedTypeTests
{
    [TestCase("string", "it is a class or another managed reference; use a FixedString64, or a NativeText where it is "
        + "long")]
    [TestCase("int[]", "it is a class or another managed reference; use a NativeArray<int>")]
    [TestCase("List<int>", "it is a class or another managed reference; use a NativeList")]
    [TestCase("Dictionary<int, int>", "it is a class or another managed reference; use a NativeHashMap")]
    [TestCase("Action", "it is a class or another managed reference; use a function pointer, such as delegate*<void>")]
    [TestCase("LongLivedArena", "it is a class or another managed reference; use an ArenaRef")]
    [TestCase("Actor", "it is a class or another managed reference; keep the object in a managed array and its index "
        + "here, or make it a struct of unmanaged fields")]
    [TestCase("Enemy", "its field 'Body.Name' is of the managed type 'string'; use a FixedString64, or a NativeText "
        + "where it is long")]
    [TestCase("SmallArena", "it holds a managed reference; use an ArenaRef")]
    [TestCase("int?", "it is nullable; keep the value and a flag in a struct")]
    public Task A_managed_element_is_told_with_what_to_write_instead(string type, string why) =>
        Check.Message<ManagedTypeAnalyzer>(
            RuleIds.ManagedType, DiagnosticSeverity.Error,
            Check.Types($$"""
                internal class Actor;

                internal struct Body
                {
                    public int Mass;
                    public string Name;
                }

                internal struct Enemy
                {
                    public int Health;
                    public Body Body;
                }

                internal class World
                {
                    private NativeList<{|#0:{{type}}|}> {|CS8377:_list|};
                }
                """),
            $"'{type}' cannot lie in unmanaged memory because {why}");

    [Test]
    public Task A_managed_type_that_an_arena_is_asked_for_is_reported() => Check.Code<ManagedTypeAnalyzer>(
        Check.Statements("""
            void* one = arena.{|CS8377:Allocate<{|SSE0008:string|}>|}();
            Span<int> right = arena.AllocateSpan<int>(4);
            NativeHashMap<int, {|SSE0008:{|CS8377:object|}|}> map = default;
            frameArena.Lane(0).{|CS8377:AllocateSpan<{|SSE0008:string|}>|}(4);
            """));

    [Test]
    public Task A_managed_type_that_is_inferred_is_reported() => Check.Code<ManagedTypeAnalyzer>(Check.Statements("""
        NativeStream stream = new(arena, 1);
        stream.{|CS8377:{|SSE0008:Write|}|}(0, "text");
        stream.Write(0, 7);
        stream.Dispose();
        """));

    [Test]
    public Task Unmanaged_types_and_other_generics_are_right() => Check.Code<ManagedTypeAnalyzer>(Check.Types("""
        internal struct Enemy
        {
            public static string Kind;
            public int Health;
            public FixedString64 Name;
            public NativeList<int> Path;
            public ArenaRef Arena;
        }

        internal class World<T>
            where T : unmanaged
        {
            private NativeList<T> _things;
            private NativeHashMap<int, Enemy> _enemies;
            private List<string> _names;
            private (int, float)[] _pairs;
            private NativeList<(int, float)> _nativePairs;
        }
        """));

    [Test]
    public Task The_fix_has_a_type_parameter_take_unmanaged_types() => Check.Fix<ManagedTypeAnalyzer, ManagedTypeFix>(
        Check.Types("""
            internal class World
            {
                private static void Fill<T>(LongLivedArena arena)
                {
                    NativeList<{|SSE0008:{|CS8377:T|}|}> list = new(arena);
                }
            }
            """),
        Check.Types("""
            internal class World
            {
                private static void Fill<T>(LongLivedArena arena) where T : unmanaged
                {
                    NativeList<T> list = new(arena);
                }
            }
            """));

    [Test]
    public Task The_fix_of_a_class_stands_behind_its_bases() => Check.Fix<ManagedTypeAnalyzer, ManagedTypeFix>(
        Check.Types("""
            internal class World<T> : IDisposable
            {
                private NativeList<{|SSE0008:T|}> {|CS8377:_list|};

                public void Dispose() => _list.Dispose();
            }
            """),
        Check.Types("""
            internal class World<T> : IDisposable where T : unmanaged
            {
                private NativeList<T> _list;

                public void Dispose() => _list.Dispose();
            }
            """));
}
