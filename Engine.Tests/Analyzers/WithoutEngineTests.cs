namespace Engine.Tests.Analyzers;

/// <summary>The analyzers have nothing to say where the engine is not referenced.</summary>
internal sealed class WithoutEngineTests
{
    private const string Code = """
        namespace SuperSlab.Collections
        {
            public struct NativeList<T> : System.IDisposable
                where T : unmanaged
            {
                public void Add(T item) { }

                public void Dispose() { }
            }
        }

        internal class Game
        {
            private readonly SuperSlab.Collections.NativeList<int> _list;

            public void Dispose() => _list.Dispose();
        }
        """;

    [Test]
    public Task Types_of_the_same_names_are_no_concern() => Check.CodeWithoutEngine<EngineUseAnalyzer>(Code);

    [Test]
    public Task Managed_types_elsewhere_are_no_concern() => Check.CodeWithoutEngine<ManagedTypeAnalyzer>(Code);
}
