using Engine.Tests.Support;
using SuperSlab.Collections;

namespace Engine.Tests.Collections;

/// <summary>Random programs on each container and its twin of the BCL, in each kind of arena, with checks of each
/// mode.</summary>
internal sealed class ContainerProgramTests
{
    private const int QuickSteps = 12_000;
    private const int AllSteps = 120_000;

    private static readonly Dictionary<string, Func<ArenaRef, ITwins>> Twins = new()
    {
        ["list"] = arena => new ListTwins(arena),
        ["map of few numbers"] = arena => new MapTwins<int>(arena, number => number % 300),
        ["map of any numbers"] = arena => new MapTwins<int>(arena, number => number),
        ["map of addresses"] = arena => new MapTwins<long>(arena, number => (long)(number % 500) << 40),
        ["map of the same codes"] = arena => new MapTwins<SameCode>(arena, number => new SameCode(number % 200)),
        ["multi map"] = arena => new MultiMapTwins<int>(arena, number => number % 40),
        ["multi map of the same codes"] =
            arena => new MultiMapTwins<SameCode>(arena, number => new SameCode(number % 9)),
        ["stable list"] = arena => new StableListTwins(new(arena)),
        ["stable list in a range"] =
            arena => new StableListTwins(arena.LongLived is null ? new(arena) : new(arena, 0, 500_000)),
        ["ring of two threads"] = SharedQueueTwins.OfRing,
        ["queue of any threads"] = SharedQueueTwins.OfQueue,
        ["stream"] = arena => new StreamTwins(arena),
        ["set"] = arena => new SetTwins(arena),
        ["queue"] = arena => new QueueTwins(arena),
        ["ring"] = arena => new RingTwins(arena),
        ["priority queue"] = arena => new PriorityQueueTwins(arena),
        ["bits"] = arena => new BitTwins(arena),
        ["sparse set"] = arena => new SparseSetTwins(arena),
        ["slot map"] = arena => new SlotMapTwins(arena),
        ["text"] = arena => new TextTwins(arena),
    };

    private static IEnumerable<string> Names => Twins.Keys;

    [Test]
    public void A_container_does_what_its_twin_of_the_BCL_does(
        [ValueSource(nameof(Names))] string name,
        [ValueSource(typeof(ContainerPlaces), nameof(ContainerPlaces.AllChecks))] MemoryChecks checks) =>
        ContainerPrograms.Run(Twins[name], checks, QuickSteps);

    [Test]
    [Category(Lane.Slow)]
    public void Two_million_steps_of_containers_do_what_their_twins_do(
        [ValueSource(nameof(Names))] string name,
        [ValueSource(typeof(ContainerPlaces), nameof(ContainerPlaces.AllChecks))] MemoryChecks checks) =>
        ContainerPrograms.Run(Twins[name], checks, AllSteps, programLength: 2_000);

    [Test]
    public void A_program_that_fails_is_shortened()
    {
        Assert.That(
            () => ContainerPrograms.Run(_ => new Forgetful(), MemoryChecks.Off, QuickSteps),
            Throws.TypeOf<AssertionException>().With.Message.Contain("after these 3 steps"));
    }

    /// <summary>Fails at its third step of a kind.</summary>
    private sealed class Forgetful : ITwins
    {
        private int _steps;

        public void Do(Step step)
        {
            if (step.Kind < 50 && ++_steps == 3)
                throw new DifferenceException("forgotten");
        }

        public void Compare()
        {
        }

        public void Dispose()
        {
        }
    }
}
