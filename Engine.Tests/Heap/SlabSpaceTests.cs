using Engine.Tests.Support;

namespace Engine.Tests.Heap;

internal sealed class SlabSpaceTests
{
    [Test]
    public void The_best_fit_is_taken_before_a_new_SuperSlab()
    {
        using ArenaLayers layers = new();
        SlabSpace space = layers.Slabs.Space;
        int first = space.TakeSlabs(20); // leaves 12
        int second = space.TakeSlabs(28); // leaves 4
        Assert.That(second / SlabGeometry.SlabCount, Is.Not.EqualTo(first / SlabGeometry.SlabCount));
        Assert.That(
            space.TakeSlabs(3) / SlabGeometry.SlabCount, Is.EqualTo(second / SlabGeometry.SlabCount),
            "4 fit 3 better than 12 do");
        Assert.That(space.TakeSlabs(11) / SlabGeometry.SlabCount, Is.EqualTo(first / SlabGeometry.SlabCount));
        Assert.That(space.SuperSlabCount, Is.EqualTo(2));
        Assert.That(space.TakeSlabs(32) % SlabGeometry.SlabCount, Is.Zero);
        Assert.That(space.SuperSlabCount, Is.EqualTo(3));
    }

    [Test]
    public void An_empty_SuperSlab_goes_back_unless_it_was_promised()
    {
        using ArenaLayers layers = new();
        SlabSpace space = layers.Slabs.Space;
        int slab = space.TakeSlabs(5);
        space.GiveSlabs(slab, 5);
        Assert.That(layers.Lower.Pool.OwnedCount, Is.Zero);
        space.AdmitOrReclaim(2);
        foreach (int promised in layers.Lower.Pool.Claim([1, 1], new Demand(ArenaLayers.Tag, Demand.NoClass), null))
            space.AdoptClaimed(promised, 1, uint.MaxValue, isPromised: true);

        slab = space.TakeSlabs(5);
        int beyond = space.TakeSlabs(32);
        int third = space.TakeSlabs(30);
        Assert.That(space.SuperSlabCount, Is.EqualTo(3), "one over plan");
        space.GiveSlabs(slab, 5);
        space.GiveSlabs(beyond, 32);
        space.GiveSlabs(third, 30);
        Assert.That(layers.Lower.Pool.OwnedCount, Is.EqualTo(2));
        Assert.That(space.Budget.Held, Is.EqualTo(2));
        space.ReleaseAll(_ => { });
        Assert.That(layers.Lower.Pool.OwnedCount, Is.Zero);
        Assert.That(space.Budget.Held, Is.Zero);
    }

    [Test]
    public void Slabs_grow_into_free_neighbours_only_and_not_over_the_end()
    {
        using ArenaLayers layers = new();
        SlabSpace space = layers.Slabs.Space;
        int first = space.TakeSlabs(4);
        int second = space.TakeSlabs(4);
        Assert.That(space.TryGrowSlabs(first, 4, 5), Is.False);
        Assert.That(space.TryGrowSlabs(second, 4, 28), Is.True);
        Assert.That(space.TryGrowSlabs(second, 28, 29), Is.False);
        space.GiveSlabs(second, 1);
        Assert.That(space.TryGrowSlabs(first, 4, 6), Is.False, "only one of the two slabs behind it is free");
        Assert.That(space.TryGrowSlabs(first, 4, 5), Is.True);
        space.GiveSlabs(first, 5);
        space.GiveSlabs(second + 1, 27);
        Assert.That(layers.Lower.Pool.OwnedCount, Is.Zero);
    }

    [Test]
    public void Runs_are_packed_each_in_one_SuperSlab_and_never_overlap()
    {
        Random random = TestRandom.Create();
        SlabPacking packing = new();
        List<uint> used = [];
        foreach (int length in Enumerable.Range(0, 500).Select(_ => random.Next(1, 33)).OrderDescending())
        {
            (int superSlab, int slab) = packing.Add(length);
            while (used.Count <= superSlab)
                used.Add(0);

            uint mask = (uint)(((1UL << length) - 1) << slab);
            Assert.That(slab + length, Is.LessThanOrEqualTo(SlabGeometry.SlabCount));
            Assert.That(used[superSlab] & mask, Is.Zero);
            used[superSlab] |= mask;
        }

        Assert.That(used, Has.Count.EqualTo(packing.Count));
        Assert.That(used.Select(bits =>
            ~bits), Is.EqualTo(Enumerable.Range(0, packing.Count).Select(packing.FreeSlabs)));
    }

    [Test]
    public void Random_runs_of_slabs_never_overlap_and_all_come_back()
    {
        using ArenaLayers layers = new();
        SlabSpace space = layers.Slabs.Space;
        Random random = TestRandom.Create();
        Dictionary<int, int> live = [];
        int[] owner = new int[layers.Lower.Reservation.SuperSlabCount * SlabGeometry.SlabCount];
        for (int round = 1; round <= 5_000; round++)
        {
            if (live.Count > 60 || (live.Count > 0 && random.Next(3) == 0))
            {
                int slab = live.Keys.ElementAt(random.Next(live.Count));
                owner.AsSpan(slab, live[slab]).Clear();
                space.GiveSlabs(slab, live[slab]);
                live.Remove(slab);
            }
            else
            {
                int count = random.Next(1, 33);
                int slab = space.TakeSlabs(count);
                Assert.That(
                    slab / SlabGeometry.SlabCount, Is.EqualTo((slab + count - 1) / SlabGeometry.SlabCount),
                    "a run lies within one SuperSlab");
                Assert.That(
                    owner.AsSpan(slab, count).IndexOfAnyExcept(0), Is.EqualTo(-1),
                    $"slabs [{slab}, +{count}) belong to somebody");
                owner.AsSpan(slab, count).Fill(round);
                live.Add(slab, count);
            }
        }

        foreach ((int slab, int count) in live)
            space.GiveSlabs(slab, count);

        Assert.That(space.SuperSlabCount, Is.Zero);
        Assert.That(layers.Lower.Pool.OwnedCount, Is.Zero);
    }
}
