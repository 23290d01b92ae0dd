using Engine.Tests.Os;
using Engine.Tests.Support;

namespace Engine.Tests.Heap;

internal sealed class SuperSlabPoolTests
{
    private static readonly Demand Owner = new(0x100, Demand.NoClass);
    private static readonly long SuperSlabPages = (2 << 20) / Environment.SystemPageSize;

    [Test]
    public void The_lowest_address_comes_first_and_runs_are_neighbours()
    {
        using LowerLayers layers = new();
        Assert.That(layers.Pool.Take(1, Owner), Is.Zero);
        Assert.That(layers.Pool.Take(3, Owner), Is.EqualTo(1));
        Assert.That(layers.Pool.OwnedCount, Is.EqualTo(4));
        layers.Pool.Give(0, 1);
        Assert.That(layers.Pool.Take(2, Owner), Is.EqualTo(4), "one free SuperSlab is no room for two");
        Assert.That(layers.Pool.Take(1, Owner), Is.Zero);
        layers.Pool.Validate();
    }

    [Test]
    public void What_is_taken_can_be_written_without_a_fault()
    {
        Assume.That(Faults.AreCounted, "the system counts faults by thread");
        HotLoopCost cost = HotLoopCost.BestOf(5, () =>
        {
            using LowerLayers layers = new();
            int start = layers.Pool.Take(4, Owner);
            return HotLoopCost.Of(layers, () => layers.Touch(start, 4));
        });
        Assert.That(cost, Is.EqualTo(HotLoopCost.Nothing));
    }

    [Test]
    public void Giving_and_taking_from_the_reserve_makes_no_OS_call_and_no_fault()
    {
        using LowerLayers layers = new();
        Exchange(layers); // fills the reserve
        Assert.That(HotLoopCost.BestOf(5, () => HotLoopCost.Of(layers, () =>
            Exchange(layers))), Is.EqualTo(HotLoopCost.Nothing));
        Assert.That(layers.Pool.ReadyCount, Is.EqualTo(4));

        static void Exchange(LowerLayers layers)
        {
            int start = layers.Pool.Take(4, Owner);
            layers.Touch(start, 4);
            layers.Pool.Give(start, 4);
        }
    }

    [Test]
    public void Ready_memory_is_preferred_to_memory_at_lower_addresses()
    {
        using LowerLayers layers = new();
        int low = layers.Pool.Take(1, Owner);
        int high = layers.Pool.Take(1, Owner);
        layers.Pool.Give(low, 1);
        layers.Pool.Trim(0);
        layers.Pool.Give(high, 1);
        Assert.That(layers.Pool.Take(1, Owner), Is.EqualTo(high));
    }

    [Test]
    public void Resident_memory_falls_when_the_reserve_is_trimmed_and_not_before()
    {
        using LowerLayers layers = new();
        int start = layers.Pool.Take(64, Owner);
        layers.Touch(start, 64);
        nuint full = ResidentMemory.Settled();
        layers.Pool.Give(start, 64);
        Assert.That(ResidentMemory.MiBSince(full), Is.EqualTo(0).Within(ResidentMemory.NoiseMiB));
        Assert.That(layers.Pool.Trim(32 * Sizes.MiB), Is.EqualTo(96 * Sizes.MiB));
        Assert.That(ResidentMemory.MiBSince(full), Is.EqualTo(-96).Within(ResidentMemory.NoiseMiB));
        Assert.That(layers.Pool.ReadyCount, Is.EqualTo(16));
        Assert.That(layers.Pool.Trim(0), Is.EqualTo(32 * Sizes.MiB));
        Assert.That(ResidentMemory.MiBSince(full), Is.EqualTo(-128).Within(ResidentMemory.NoiseMiB));
        Assert.That(layers.Pool.Trim(0), Is.EqualTo((nuint)0));
    }

    [Test]
    public void The_limit_of_the_reserve_is_what_a_trim_without_a_number_leaves()
    {
        using LowerLayers layers = new(retainBytes: 6 * Sizes.MiB);
        layers.Pool.Give(layers.Pool.Take(8, Owner), 8);
        Assert.That(layers.Pool.Trim(), Is.EqualTo(10 * Sizes.MiB));
        Assert.That(layers.Pool.ReadyCount, Is.EqualTo(3));
    }

    [Test]
    public void A_taken_neighbour_stops_growth_and_a_free_one_does_not()
    {
        using LowerLayers layers = new();
        int first = layers.Pool.Take(2, Owner);
        int second = layers.Pool.Take(1, Owner);
        Assert.That(layers.Pool.TryTakeAt(first + 2, 1, Owner), Is.False);
        Assert.That(layers.Pool.TryTakeAt(second + 1, 3, Owner), Is.True);
        layers.Touch(second + 1, 3);
        Assert.That(layers.Pool.TryTakeAt(layers.Reservation.SuperSlabCount - 1, 2, Owner), Is.False, "beyond the end");
        Assert.That(layers.Pool.OwnedCount, Is.EqualTo(6));
        layers.Pool.Validate();
    }

    [Test]
    public void A_full_reservation_answers_minus_one_and_goes_on_when_something_is_given()
    {
        using LowerLayers layers = new(bytes: 64 * Sizes.MiB);
        int all = layers.Reservation.SuperSlabCount;
        Assert.That(layers.Pool.Take(all + 1, Owner), Is.EqualTo(-1));
        Assert.That(layers.Pool.Take(all, Owner), Is.Zero);
        Assert.That(layers.Pool.Take(1, Owner), Is.EqualTo(-1));
        layers.Pool.Give(5, 1);
        Assert.That(layers.Pool.Take(1, Owner), Is.EqualTo(5));
    }

    [Test]
    public void Claiming_more_than_the_reservation_has_fails_and_keeps_the_pool_whole()
    {
        using LowerLayers layers = new(bytes: 64 * Sizes.MiB);
        int all = layers.Reservation.SuperSlabCount;
        Assert.That(
            () => layers.Pool.Claim([4, .. Singles(all - 3)], [], Owner, null),
            Throws.TypeOf<EngineOutOfMemoryException>().With.Message.Contains(
                $"{all + 1} SuperSlabs of 2 MiB were to be prefaulted"));
        layers.Pool.Validate();
        Assert.That(layers.Pool.OwnedCount, Is.Zero);
        Assert.That(layers.Pool.Take(all, Owner), Is.Zero);
    }

    [Test]
    public void Claimed_runs_lie_apart_are_ready_and_are_the_owners()
    {
        using LowerLayers layers = new();
        int hole = layers.Pool.Take(3, Owner);
        int[] lengths = [5, 2, 2, .. Singles(9)];
        int[] starts = layers.Pool.Claim(lengths, [], Owner, null);
        layers.Pool.Validate();
        Assert.That(layers.Pool.OwnedCount, Is.EqualTo(21));
        HashSet<int> seen = [hole, hole + 1, hole + 2];
        for (int index = 0; index < lengths.Length; index++)
        {
            for (int superSlab = starts[index]; superSlab < starts[index] + lengths[index]; superSlab++)
                Assert.That(seen.Add(superSlab), Is.True, $"SuperSlab {superSlab} was given twice");

            Assert.That(
                layers.Os.PagesThatWouldFault(
                    layers.Reservation.AddressOf(starts[index]), (nuint)lengths[index] * SlabGeometry.SuperSlabBytes),
                    Is.LessThanOrEqualTo(0));
            Assert.That(RunLengthOf(layers, starts[index]), Is.EqualTo(lengths[index]));
        }
    }

    [Test]
    public void A_claim_uses_what_is_ready_first_however_it_lies()
    {
        using LowerLayers layers = new();
        int start = layers.Pool.Take(40, Owner);
        for (int index = start; index < start + 40; index += 2)
            layers.Pool.Give(index, 1);

        Assert.That(layers.Pool.ReadyCount, Is.EqualTo(20));
        long osCalls = layers.Os.OsCalls;
        layers.Pool.Claim(Singles(20), [], Owner, null);
        Assert.That(layers.Os.OsCalls, Is.EqualTo(osCalls), "20 were ready");
        for (int index = start; index < start + 7; index++)
            layers.Pool.Give(index, 1);

        int run = layers.Pool.Claim([10], [], Owner, null)[0];
        Assert.That(run, Is.GreaterThanOrEqualTo(start + 40), "no ten neighbours are free below");
        Assert.That(layers.Pool.ReadyCount, Is.EqualTo(7));
        Assert.That(layers.Pool.Claim([7], [], Owner, null)[0], Is.EqualTo(start));
        layers.Pool.Validate();
    }

    [Test]
    public void What_one_load_claims_no_other_takes_nor_trims()
    {
        using LowerLayers layers = new();
        layers.Pool.Give(layers.Pool.Take(8, Owner), 8);
        int[] starts = [];
        using ManualResetEventSlim isPrefaulting = new();
        using ManualResetEventSlim goOn = new();
        layers.Pool.Observer = (_, _) =>
        {
            isPrefaulting.Set();
            goOn.Wait();
        };
        Thread load = new(() => starts = layers.Pool.Claim(Singles(12), [], Owner, null));
        load.Start();
        isPrefaulting.Wait();
        layers.Pool.Observer = null;
        Assert.That(layers.Pool.Trim(0), Is.EqualTo((nuint)0), "what was ready is claimed");
        int[] others = layers.Pool.Claim(Singles(12), [], new Demand(9u << 8, Demand.NoClass), null);
        long osCalls = VirtualMemory.OsCallsOfThread;
        goOn.Set();
        load.Join();
        Assert.That(starts.Intersect(others), Is.Empty);
        Assert.That(VirtualMemory.OsCallsOfThread, Is.EqualTo(osCalls));
        layers.Pool.Validate();
    }

    [Test]
    public void A_claim_that_the_system_refuses_gives_back_what_it_took()
    {
        using var context = new FailingContext();
        using LowerLayers layers = new(context: context);
        layers.Pool.Give(layers.Pool.Take(4, Owner), 4);
        context.FailAlways("mprotect", errno: 12);
        Assert.That(() =>
            layers.Pool.Claim([8, .. Singles(10)], [], Owner, null), Throws.TypeOf<EngineOutOfMemoryException>());
        context.Heal("mprotect");
        layers.Pool.Validate();
        Assert.That(layers.Pool.OwnedCount, Is.Zero);
        Assert.That(layers.Pool.ReadyCount, Is.EqualTo(4));
    }

    [Category(Machine.NeedsRealKernel)] // an emulator shows its own map of the process, by which the range looks lost
    [Test]
    public void What_the_system_refused_to_take_back_goes_with_the_next_trim()
    {
        using var context = new FailingContext();
        using LowerLayers layers = new(context: context);
        nuint before = ResidentMemory.Settled();
        layers.Pool.Give(layers.Pool.Take(32, Owner), 32);
        context.FailAlways("mmap", errno: 12);
        context.FailAlways("madvise", errno: 12);
        Assert.That(() => layers.Pool.Trim(0), Throws.TypeOf<EngineMemoryException>().With.Message.Contains("refused"));
        context.Heal("mmap");
        context.Heal("madvise");
        Assert.That(layers.Pool.ReadyCount, Is.Zero, "it may be inaccessible in part");
        Assert.That(layers.Pool.Trim(64 * Sizes.MiB), Is.EqualTo((nuint)64 * Sizes.MiB), "whatever is to be retained");
        Assert.That(ResidentMemory.MiBSince(before), Is.LessThan(ResidentMemory.NoiseMiB));
        Assert.That(layers.Pool.Trim(0), Is.EqualTo((nuint)0));
        layers.Pool.Validate();
    }

    [Category(Machine.NeedsRealKernel)] // an emulator shows its own map of the process, by which the range looks lost
    [Test]
    public void A_part_that_the_system_refused_to_take_back_goes_with_the_next_trim()
    {
        const int DontNeed = 4;
        using var context = new FailingContext();
        using LowerLayers layers = new(context: context);
        Prefaulter byParts = new(
            layers.Os,
            new PrefaultChoice(
                PrefaultPolicy.Touch, PageKind.Normal, StayPolicy.None, PrefaultGranularity.Slab),
            headroomBytes: null);
        PrefaultTask task = new(Threads: 1, Progress: null, CancellationToken.None, byParts);
        int superSlab = layers.Pool.Take(1, Owner); // makes its description resident
        nint address = layers.Reservation.AddressOf(superSlab);
        layers.Pool.Give(superSlab, 1);
        layers.Pool.Trim(0);
        context.Fail("mprotect", call: 2, errno: 12); // commits the part, then the rest
        context.FailAlways("madvise", errno: 12, argument: DontNeed);
        context.FailAlways("mmap", errno: 12);
        Assert.That(
            () => layers.Pool.Claim([1], [3], Owner, task),
            Throws.TypeOf<EngineOutOfMemoryException>().With.Message.Contains("refused to take back"));
        context.Heal("mprotect");
        context.Heal("madvise");
        context.Heal("mmap");
        Assert.That(layers.Os.PagesThatWouldFault(address, 2 << 20), Is.LessThan(SuperSlabPages), "the part stayed");
        layers.Pool.Trim(0);
        Assert.That(layers.Os.PagesThatWouldFault(address, 2 << 20), Is.EqualTo(SuperSlabPages).Or.EqualTo(-1));
        layers.Pool.Validate();
    }

    [Test]
    public void A_SuperSlab_whose_guard_page_stays_closed_goes_with_the_next_trim()
    {
        using LowerLayers layers = new();
        int superSlab = layers.Pool.Take(1, Owner);
        nint address = layers.Reservation.AddressOf(superSlab);
        layers.Touch(superSlab, 1);
        layers.Pool.Distrust(address, layers.Pool.TryGuard(address));
        layers.Pool.Give(superSlab, 1);
        Assert.That(layers.Pool.ReadyCount, Is.Zero);
        Assert.That(layers.Pool.Trim(64 * Sizes.MiB), Is.EqualTo(2 * Sizes.MiB), "whatever is to be retained");
        Assert.That(layers.Os.PagesThatWouldFault(address, 2 << 20), Is.EqualTo(SuperSlabPages).Or.EqualTo(-1));
        layers.Touch(layers.Pool.Take(1, Owner), 1);
    }

    [Test]
    public void A_prefault_that_the_system_refuses_leaves_the_pool_as_it_was()
    {
        using var context = new FailingContext();
        using LowerLayers layers = new(context: context);
        nuint before = ResidentMemory.Settled();
        context.FailAlways("mprotect", errno: 12);
        Assert.That(() => layers.Pool.Take(32, Owner), Throws.TypeOf<EngineOutOfMemoryException>());
        context.Heal("mprotect");
        layers.Pool.Validate();
        Assert.That(layers.Pool.OwnedCount, Is.Zero);
        Assert.That(layers.Pool.ReadyCount, Is.Zero);
        Assert.That(ResidentMemory.MiBSince(before), Is.LessThan(ResidentMemory.NoiseMiB));
        layers.Touch(layers.Pool.Take(32, Owner), 32);
    }

    [Test]
    public void A_give_back_that_the_system_refuses_leaves_memory_that_can_be_used()
    {
        using var context = new FailingContext();
        using LowerLayers layers = new(context: context);
        layers.Pool.Give(layers.Pool.Take(8, Owner), 8);
        context.FailAlways("madvise", errno: 12);
        context.FailAlways("mmap", errno: 12);
        Assert.That(() => layers.Pool.Trim(0), Throws.TypeOf<EngineMemoryException>().With.Message.Contains("refused"));
        context.Heal("madvise");
        context.Heal("mmap");
        layers.Pool.Validate();
        layers.Touch(layers.Pool.Take(8, Owner), 8);
    }

    [Test]
    public void Threads_take_apart_what_they_take_at_the_same_time()
    {
        using LowerLayers layers = new();
        int seed = TestRandom.Seed();
        Workers.Run(4, thread =>
        {
            Random random = new(seed + thread);
            for (int round = 0; round < 300; round++)
            {
                int count = random.Next(1, 6);
                uint tag = (uint)(thread + 1) << 8;
                int start = layers.Pool.Take(count, new Demand(tag, Demand.NoClass));
                for (int index = start; index < start + count; index++)
                    Assert.That(OwnerOf(layers, index), Is.EqualTo(tag));

                layers.Pool.Give(start, count);
                if (round % 50 == 0)
                    layers.Pool.Trim(8 * Sizes.MiB);
            }
        });
        layers.Pool.Validate();
        Assert.That(layers.Pool.OwnedCount, Is.Zero);
        layers.Pool.Trim(0);
        Assert.That(layers.Pool.FreeCount, Is.EqualTo(layers.Reservation.SuperSlabCount));

        static unsafe uint OwnerOf(LowerLayers layers, int superSlab) =>
            layers.Reservation.SuperSlabs[superSlab].OwnerTag;
    }

    private static int[] Singles(int count) => [.. Enumerable.Repeat(1, count)];

    private static unsafe int RunLengthOf(LowerLayers layers, int superSlab) =>
        layers.Reservation.SuperSlabs[superSlab].RunLength;
}
