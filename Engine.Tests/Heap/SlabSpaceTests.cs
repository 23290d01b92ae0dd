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
        Promise(layers, 2);
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
        int first = space.TakeSlabs(4, Magazine.FirstOfOne);
        int second = space.TakeSlabs(4, Magazine.FirstOfOne);
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
    public void What_an_extent_leaves_of_its_last_SuperSlab_is_for_others()
    {
        using ArenaLayers layers = new();
        SlabSpace space = layers.Slabs.Space;
        int extent = space.TakeExtent(36);
        int rest = space.TakeSlabs(28);
        Assert.That((rest - extent, space.SuperSlabCount), Is.EqualTo((36, 2)), "right behind it");
        Assert.That(space.GrowExtent(extent, 36, 2), Is.EqualTo(-1), "somebody has the slabs behind it");
        space.GiveSlabs(extent, 36);
        Assert.That((space.SuperSlabCount, space.Budget.Held, layers.Lower.Pool.OwnedCount), Is.EqualTo((1, 1, 1)));
        Assert.That(space.TakeSlabs(4), Is.EqualTo(extent + 32), "the extent's last slabs");
        space.GiveSlabs(rest, 28);
        space.GiveSlabs(extent + 32, 4);
        Assert.That((space.SuperSlabCount, space.Budget.Held, layers.Lower.Pool.OwnedCount), Is.EqualTo((0, 0, 0)));

        extent = space.TakeExtent(36);
        Assert.That(space.GrowExtent(extent, 36, 2), Is.EqualTo(extent), "nobody has them");
        Assert.That(space.HasRun(1), Is.False, "what grew has its last SuperSlab alone");
        space.GiveSlabs(extent, 64);
        Assert.That((space.SuperSlabCount, space.Budget.Held, layers.Lower.Pool.OwnedCount), Is.EqualTo((0, 0, 0)));
    }

    [Test]
    public void Promised_SuperSlabs_become_an_extent_and_return()
    {
        using ArenaLayers layers = new();
        SlabSpace space = layers.Slabs.Space;
        Promise(layers, 4);
        int small = space.TakeSlabs(25);
        int extent = space.TakeExtent(40);
        Assert.That(space.HasRoom(40), Is.False, "a SuperSlab and a part of one are left");
        Assert.That(space.GrowExtent(extent, 40, 3), Is.EqualTo(extent), "it grows over what is promised");
        Assert.That((space.SuperSlabCount, layers.Lower.Pool.OwnedCount), Is.EqualTo((4, 4)));
        space.GiveSlabs(extent, 96);
        Assert.That((space.SuperSlabCount, space.Budget.Held, layers.Lower.Pool.OwnedCount), Is.EqualTo((4, 4, 4)));
        Assert.That(space.HasRoom(96), Is.True);
        space.GiveSlabs(small, 25);
        Assert.That(space.HasRoom(128), Is.True);
    }

    [Test]
    public void Random_runs_and_extents_never_overlap_and_all_come_back([Values(0, 12)] int promised)
    {
        using ArenaLayers layers = new();
        SlabSpace space = layers.Slabs.Space;
        Promise(layers, promised);
        Random random = TestRandom.Create();
        Dictionary<int, int> live = [];
        int[] owner = new int[layers.Lower.Reservation.SuperSlabCount * SlabGeometry.SlabCount];
        for (int round = 1; round <= 5_000; round++)
        {
            if (live.Count > 60 || (live.Count > 0 && random.Next(3) == 0))
            {
                int slab = live.Keys.ElementAt(random.Next(live.Count));
                int count = live[slab];
                owner.AsSpan(slab, count).Clear();
                live.Remove(slab);
                if (count > SlabGeometry.SlabCount && random.Next(3) == 0)
                    Grow(slab, count);
                else
                    space.GiveSlabs(slab, count);
            }
            else
            {
                bool isExtent = random.Next(4) == 0;
                int count = isExtent ? random.Next(33, 160) : random.Next(1, 33);
                int slab = isExtent ? space.TakeExtent(count) : space.TakeSlabs(count);
                Assert.That(
                    slab % SlabGeometry.SlabCount, isExtent ? Is.Zero : Is.AtMost(SlabGeometry.SlabCount - count),
                    "a run lies within one SuperSlab, an extent begins one");
                Add(slab, count);
            }

            void Grow(int slab, int count)
            {
                int superSlabs = ((count + 31) / 32) + random.Next(3);
                int grown = space.GrowExtent(slab, count, superSlabs);
                if (grown >= 0 && grown != slab)
                    space.GiveMoved(slab);

                Add(grown < 0 ? slab : grown, grown < 0 ? count : superSlabs * 32);
            }

            void Add(int slab, int count)
            {
                Assert.That(
                    owner.AsSpan(slab, count).IndexOfAnyExcept(0), Is.EqualTo(-1),
                    $"slabs [{slab}, +{count}) belong to somebody");
                owner.AsSpan(slab, count).Fill(round);
                live.Add(slab, count);
            }
        }

        foreach ((int slab, int count) in live)
            space.GiveSlabs(slab, count);

        Assert.That(space.SuperSlabCount, Is.EqualTo(promised));
        Assert.That(layers.Lower.Pool.OwnedCount, Is.EqualTo(promised));
        Assert.That(space.Budget.Held, Is.EqualTo(promised));
    }

    private static void Promise(ArenaLayers layers, int superSlabs)
    {
        layers.Slabs.Space.AdmitOrReclaim(superSlabs);
        int[] lengths = [.. Enumerable.Repeat(1, superSlabs)];
        Demand demand = new(ArenaLayers.Tag, Demand.NoClass);
        foreach (int promised in layers.Lower.Pool.Claim(lengths, [], demand, null))
            layers.Slabs.Space.AdoptClaimed(promised, uint.MaxValue, SlabGeometry.SlabCount, isPromised: true);
    }
}
