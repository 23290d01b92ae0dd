using System.Diagnostics;
using System.Runtime.CompilerServices;
using Engine.Tests.Support;

namespace Engine.Tests.Api;

/// <summary>
/// The way of an allocation through the engine's files, as the stack at the moment of the system call shows it, is the
/// one that docs/architecture.md lists. What the compiler put into its caller is missing on a stack: the rest must
/// stand in the list, in its order.
/// </summary>
internal sealed unsafe class WayDownTests
{
    private const int MostSteps = 12;

    [Test]
    public void An_allocations_way_to_the_system_is_the_one_that_is_written_down()
    {
        Assume.That(OperatingSystem.IsLinux(), "the list is Linux's");
        string readme = Path.Combine(Path.GetDirectoryName(ThisFile())!, "..", "..", "docs", "architecture.md");
        Assume.That(File.Exists(readme), "the sources are not on this machine");
        string[] written = [.. Listed(File.ReadAllLines(readme), after: "Allocate:")];
        Assert.That(written, Has.Length.InRange(9, MostSteps));

        using RefusingSystem system = new();
        using EngineMemory memory = MakeMemory(system);
        using LongLivedArena arena = memory.CreateLongLivedArena("way");
        _ = (nint)arena.Allocate(1024);
        string[]? walked = null;
        RefusingSystem.Called = () => walked ??= Walk();
        while (walked is null)
            _ = (nint)arena.GetHandle().Allocate(1024);

        RefusingSystem.Called = null;
        TestContext.Out.WriteLine(string.Join(" > ", walked));
        Assert.That(walked, Has.Length.GreaterThan(2), "an optimising compiler leaves few of the ten");
        Assert.That(walked.Select(step =>
            Array.IndexOf(written, step)), Is.Ordered.Ascending.And.All.GreaterThanOrEqualTo(0));
    }

    [Test]
    public void A_free_of_the_last_block_of_SuperSlabs_leaves_them_ready_and_asks_the_system_for_nothing()
    {
        Assume.That(OperatingSystem.IsLinux());
        using RefusingSystem system = new();
        using EngineMemory memory = MakeMemory(system);
        using LongLivedArena arena = memory.CreateLongLivedArena("way");
        void* block = arena.Allocate(Size.MiB(16));
        int ready = memory.ReadySuperSlabCount;
        long calls = RefusingSystem.Calls;
        arena.GetHandle().Free(block);
        Assert.That(memory.ReadySuperSlabCount, Is.EqualTo(ready + 8));
        Assert.That(RefusingSystem.Calls, Is.EqualTo(calls));
    }

    private static EngineMemory MakeMemory(RefusingSystem system) =>
        new(new EngineMemoryOptions
        {
            ReservationBytes = Size.MiB(256),
            NativeContext = system,
            Prefault = PrefaultPolicy.PopulateWrite
        });

    /// <summary>The engine's types on the stack from the outermost in, each once for neighbouring calls.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static string[] Walk()
    {
        List<string> types = [];
        foreach (StackFrame frame in new StackTrace().GetFrames().Reverse())
        {
            Type? type = frame.GetMethod()?.DeclaringType;
            if (type?.Assembly == typeof(EngineMemory).Assembly && (types.Count == 0 || types[^1] != type.Name))
                types.Add(type.Name);
        }

        return [.. types];
    }

    /// <summary>The types of a list: "3. `Caches/ArenaCaches.cs`: ..." is ArenaCaches, and a part of a type's file the
    /// type.</summary>
    private static IEnumerable<string> Listed(string[] lines, string after) =>
        from line in lines.SkipWhile(line => line != after).Skip(2).TakeWhile(line => line.Length != 0)
        where line.Contains(".cs`", StringComparison.Ordinal)
        select Path.GetFileName(line.Split('`')[1]).Split('.')[0];

    private static string ThisFile([CallerFilePath] string path = "") => path;
}
