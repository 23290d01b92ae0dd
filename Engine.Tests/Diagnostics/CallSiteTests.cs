using System.Runtime.CompilerServices;
using Engine.Tests.Support;
using static Engine.Tests.Diagnostics.Sampled;

namespace Engine.Tests.Diagnostics;

/// <summary>
/// Sampled allocations against what the test itself allocated: estimates within five standard deviations, and, where
/// every block is a sample, numbers to the byte.
/// </summary>
internal sealed unsafe class CallSiteTests
{
    [Test]
    [Platform("Linux", Reason = "call stacks are walked there")]
    public void Bytes_by_call_site_and_tag_are_estimated_within_five_deviations() => WithCounters.Run(static () =>
    {
        const long Every = 16 * 1024;
        using EngineMemory memory = Memory();
        using LongLivedArena arena = memory.CreateLongLivedArena("arena");
        AllocationTag small = AllocationTag.Register("small");
        AllocationTag large = AllocationTag.Register("large");
        using Profiler profiler = Sampling(memory, Every);
        List<nint> blocks = [];
        using (small.Begin())
        {
            AllocateSmall(arena, 100_000, blocks);
            AllocateMedium(arena, 10_000, blocks);
        }

        using (large.Begin())
        {
            AllocateMedium(arena, 10_000, blocks);
            AllocateLarge(arena, 500, blocks);
        }

        // Of each kind every third lives on; the frees are under no tag.
        for (int index = 0; index < blocks.Count; index++)
        {
            if (index % 3 != 0)
                arena.Free((void*)blocks[index]);
        }

        ProfileCallSites sites = profiler.ToDocument("test").CallSites;
        (string Site, string Tag, long Count, long Bytes)[] truth =
        [
            (nameof(AllocateSmall), "small", 100_000, 64),
            (nameof(AllocateMedium), "small", 10_000, 1024),
            (nameof(AllocateMedium), "large", 10_000, 1024),
            (nameof(AllocateLarge), "large", 500, 40 * 1024),
        ];
        using (Assert.EnterMultipleScope())
        {
            foreach ((string site, string tag, long count, long bytes) in truth)
            {
                Near(Of(site, tag).Sum(one => one.AllocatedBytes), count, bytes, $"{site} {tag}");
                Near(Of(site, tag).Sum(one => one.LiveBytes), (count + 2) / 3, bytes, $"live {site} {tag}");
            }

            Assert.That(sites.SampleCount, Is.EqualTo(sites.Stacks.Sum(one => one.SampleCount)));
            Assert.That(sites.LiveSampleCount, Is.EqualTo(sites.Stacks.Sum(one => one.LiveSampleCount)));
            Assert.That(sites.Tags.Single(row => row.Name == "small").AllocatedBytes,
                Is.EqualTo(sites.Stacks.Where(one => one.Tag == "small").Sum(one => one.AllocatedBytes)));
        }

        IEnumerable<ProfileCallSites.StackRow> Of(string site, string tag) =>
            sites.Stacks.Where(one => one.Tag == tag && sites.PlaceOf(one).EndsWith("." + site));

        static void Near(long estimate, long count, long bytes, string what)
        {
            double probability = 1 - Math.Exp(-(double)bytes / Every);
            double deviation = bytes * Math.Sqrt(count * (1 - probability) / probability);
            Assert.That(estimate, Is.EqualTo(count * bytes).Within((long)(5 * deviation)), what);
        }
    });

    [Test]
    public void Frees_of_other_blocks_leave_a_block_its_sample_whatever_its_address() => WithCounters.Run(static () =>
    {
        // The filter's first byte, which a free of the address 0 would look at.
        using EngineMemory memory = Memory();
        using LongLivedArena arena = memory.CreateLongLivedArena("arena");
        List<nint> blocks = [];
        for (int count = 0; count < 200_000; count++)
            blocks.Add((nint)arena.Allocate(16));

        nint first = blocks.First(static block => SampleTables.FilterHash((nuint)block) == 0);
        arena.Free((void*)first);
        using Profiler profiler = Sampling(memory, Everything);
        Assert.That((nint)arena.Allocate(16), Is.EqualTo(first));
        foreach (nint block in blocks)
        {
            if (block != first)
                arena.Free((void*)block);
        }

        ProfileCallSites sites = profiler.ToDocument("test").CallSites;
        Assert.That((sites.SampleCount, sites.LiveSampleCount), Is.EqualTo((1L, 1L)));
        Assert.That(sites.Stacks.Sum(one => one.LiveSampleCount), Is.EqualTo(1));
    });

    [Test]
    public void Deviations_that_are_told_are_those_that_estimates_have() => WithCounters.Run(static () =>
    {
        const int Runs = 300;
        const int Blocks = 2000;
        const long Bytes = 1024;
        ulong seed = (ulong)TestRandom.Seed();
        using EngineMemory memory = Memory();
        using LongLivedArena arena = memory.CreateLongLivedArena("arena");
        double[] errors = new double[Runs];
        double told = 0;
        for (int run = 0; run < Runs; run++)
        {
            using Profiler profiler = Sampling(memory, 64 * 1024, seed + ((ulong)run << 32));
            AllocateMedium(arena, Blocks, []);
            SampledSite[] sites = memory.Counters!.ReadSamples()!.Sites;
            errors[run] = sites.Sum(site => site.Bytes) - (Blocks * Bytes);
            told += sites.Sum(site => site.Variance) / Runs;
            arena.Reset();
        }

        // The mean of 300 is within 5 / sqrt(300) deviations of the truth, their variance within 5 * sqrt(2 / 300).
        double variance = errors.Sum(error => error * error) / Runs;
        Assert.That(errors.Average(), Is.Zero.Within(5 * Math.Sqrt(told / Runs)), "without bias");
        Assert.That(variance / told, Is.EqualTo(1).Within(5 * Math.Sqrt(2.0 / Runs)));
    });

    [TestCase(MemoryChecks.Off)]
    [TestCase(MemoryChecks.Hardened)]
    [TestCase(MemoryChecks.Full)]
    public void Each_live_block_and_no_other_has_its_sample(MemoryChecks checks) => WithCounters.Run(
        static value =>
        {
            using EngineMemory memory = Memory((MemoryChecks)value);
            using LongLivedArena arena = memory.CreateLongLivedArena("arena");
            using LongLivedArena other = memory.CreateLongLivedArena("other");
            using Profiler profiler = Sampling(memory, Everything);
            ArenaHandle handle = arena.GetHandle();
            Random random = TestRandom.Create();
            List<nint> blocks = [];
            other.Allocate(100);
            for (int round = 0; round < 4000; round++)
            {
                int place = blocks.Count == 0 ? 0 : random.Next(blocks.Count);
                switch (random.Next(blocks.Count < 300 ? 3 : 8))
                {
                    case 0:
                        blocks.Add((nint)handle.Allocate(random.NextSize(22)));
                        break;
                    case 1:
                        blocks.Add((nint)arena.Allocate(random.NextSize(12), 256));
                        break;
                    case 2:
                        blocks.Add((nint)handle.Allocate<decimal>());
                        break;
                    case 3:
                        blocks[place] = (nint)arena.Reallocate((void*)blocks[place], random.NextSize(22));
                        break;
                    default:
                        arena.Free((void*)blocks[place]);
                        blocks.RemoveAt(place);
                        break;
                }

                if (round % 500 == 499)
                    MustAgree(1);
            }

            Assert.That(() => other.Free((void*)blocks[0]), Throws.InstanceOf<EngineMemoryException>());
            MustAgree(1);
            arena.Reset();
            blocks.Clear();
            MustAgree(1);
            blocks.Add((nint)arena.Allocate(5 << 20));
            MustAgree(1);
            other.Dispose();
            MustAgree(0);
            arena.Dispose();
            blocks.Clear();
            MustAgree(0);

            void MustAgree(int others)
            {
                Assert.That(LiveSamples(memory), Is.EqualTo(blocks.Count + others));
                Assert.That(
                    memory.Counters!.ReadSamples()!.Live.Sum(block => block.Weight),
                    Is.EqualTo(Snapshots.TagOf(memory).LiveBytes), "as it is counted, which is right without tags");
            }
        },
        (int)checks);

    [TestCase(MemoryChecks.Off)]
    [TestCase(MemoryChecks.Full)]
    public void Small_arenas_leave_no_samples_behind(MemoryChecks checks) => WithCounters.Run(
        static value =>
        {
            using EngineMemory memory = Memory((MemoryChecks)value);
            ArenaGroup group = memory.CreateArenaGroup("scripts");
            using Profiler profiler = Sampling(memory, Everything);
            Random random = TestRandom.Create();
            SmallArena kept = group.CreateArena("kept");
            List<nint> blocks = [];
            for (int life = 0; life < 60; life++)
            {
                SmallArena arena = group.CreateArena("script");
                for (int block = 0; block < 20; block++)
                {
                    arena.Allocate(random.NextSize(17));
                    blocks.Add((nint)kept.Allocate(random.NextSize(17)));
                }

                int place = random.Next(blocks.Count);
                blocks[place] = (nint)kept.Reallocate((void*)blocks[place], random.NextSize(18));
                kept.Free((void*)blocks[^1]);
                blocks.RemoveAt(blocks.Count - 1);
                Assert.That(LiveSamples(memory), Is.EqualTo(blocks.Count + 20));
                Assert.That(() => arena.Free((void*)blocks[0]), Throws.InstanceOf<EngineMemoryException>());
                if (life % 2 == 0)
                    arena.Reset();
                else
                    arena.Dispose();

                Assert.That(LiveSamples(memory), Is.EqualTo(blocks.Count));
            }

            group.Dispose();
            Assert.That(LiveSamples(memory), Is.Zero);
        },
        (int)checks);

    [Test]
    public void Threads_that_free_each_others_blocks_take_the_samples_away() => WithCounters.Run(static () =>
    {
        const int Threads = 4;
        const int Rounds = 20_000;
        using EngineMemory memory = Memory();
        using LongLivedArena arena = memory.CreateLongLivedArena("arena");
        using Profiler profiler = Sampling(memory, 2048);
        AllocationTag allocating = AllocationTag.Register("allocating");
        nint[] handed = new nint[1024];
        int seed = TestRandom.Seed();
        Workers.Run(Threads, worker =>
        {
            Random random = new(seed + worker);
            for (int round = 0; round < Rounds; round++)
            {
                nint block;
                using (allocating.Begin())
                {
                    block = (nint)arena.Allocate(random.NextSize(random.Next(100) == 0 ? 21 : 12));
                }

                block = Interlocked.Exchange(ref handed[random.Next(handed.Length)], block);
                if (block != 0)
                    arena.Free((void*)block);
            }
        });
        ProfileCallSites sites = profiler.ToDocument("test").CallSites;
        long live = handed.Sum(block => block == 0 ? 0 : (long)arena.UsableBytes((void*)block));
        ProfileCallSites.SiteRow tag = sites.Tags.Single();
        Assert.That(tag.Name, Is.EqualTo("allocating"), "the freeing thread had no tag");
        Assert.That(sites.UnkeptBlockCount, Is.Zero);
        double error = 5 * Math.Sqrt(handed.Sum(block =>
            block == 0 ? 0 : Variance((long)arena.UsableBytes((void*)block), 2048)));
        Assert.That(tag.LiveBytes, Is.EqualTo(live).Within((long)error));
        foreach (nint block in handed)
            arena.Free((void*)block);

        Assert.That(LiveSamples(memory), Is.Zero);
    });

    [Test]
    public void Sampling_costs_the_hot_loop_nothing_of_the_systems_or_the_collectors() => WithCounters.Run(static () =>
    {
        HotLoopCost cost = HotLoopCost.BestOf(3, static () =>
        {
            using EngineMemory memory = Memory();
            using Profiler profiler = Sampling(memory, 4096);
            using Scene scene = Scene.Load(memory, new ScenePlan
            {
                Name = "sampled",
                Arenas = [new ArenaPlan { Blocks = [new BlockCount(256, 2000), new BlockCount(40_000, 20)] }],
            });
            scene.Arena.AttachThread();
            Churn(scene.Arena, TimeSpan.FromMilliseconds(300));
            long before = memory.Counters!.ReadSamples()!.Counts.Samples;
            HotLoopCost cost = HotLoopCost.Of(memory, () => Churn(scene.Arena, TimeSpan.FromMilliseconds(300)));
            Assert.That(memory.Counters!.ReadSamples()!.Counts.Samples, Is.GreaterThan(before + 100));
            return cost;
        });
        Assert.That(cost, Is.EqualTo(HotLoopCost.Nothing));
    });

    [Test]
    [Platform("Linux", Reason = "call stacks are walked there")]
    public void What_full_tables_drop_is_counted() => WithCounters.Run(static () =>
    {
        using EngineMemory memory = Memory();
        using LongLivedArena arena = memory.CreateLongLivedArena("arena");
        using Profiler profiler =
            Sampling(memory, Everything, limits: new SampleLimits(Blocks: 64, Sites: 66, Frames: 4096));
        AllocationTag tag = AllocationTag.Register("tag");
        List<nint> blocks = [];
        using (tag.Begin())
        {
            // Each call has a stack of its own, so each block goes by the same.
            for (int block = 0; block < 100; block++)
                blocks.Add((nint)arena.Allocate(3 << 20));

            for (int block = 0; block < 100; block++)
                blocks.Add((nint)arena.Allocate(5 << 20));

            for (int block = 0; block < 100; block++)
                blocks.Add((nint)arena.Allocate(7 << 20));
        }

        ProfileCallSites sites = profiler.ToDocument("test").CallSites;
        using (Assert.EnterMultipleScope())
        {
            Assert.That(sites.SampleCount, Is.EqualTo(300));
            Assert.That(sites.LiveSampleCount + sites.UnkeptBlockCount, Is.EqualTo(300));
            Assert.That(sites.LiveSampleCount, Is.InRange(40, 64));
            Assert.That(sites.UnkeptStackCount, Is.EqualTo(100), "there was room for two");
            Assert.That(sites.Tags.Single().AllocatedBytes, Is.EqualTo(100L * (15 << 20)));
            Assert.That(sites.Stacks.Single(one => one.Places.Count == 0).AllocatedBytes, Is.EqualTo(100L * (7 << 20)));
        }

        blocks.ForEach(block => arena.Free((void*)block));
        Assert.That(LiveSamples(memory), Is.Zero);
        AllocateSmall(arena, 1, blocks);
        Assert.That(LiveSamples(memory), Is.EqualTo(1), "there is room again");
    });

    [Test]
    public void Nothing_is_sampled_before_and_after_and_a_new_profile_begins_anew() => WithCounters.Run(static () =>
    {
        using EngineMemory memory = Memory();
        using LongLivedArena arena = memory.CreateLongLivedArena("arena");
        List<nint> blocks = [];
        using (Profiler off = new(memory))
        {
            AllocateSmall(arena, 1000, blocks);
            ProfileCallSites none = off.ToDocument("test").CallSites;
            Assert.That((none.SampleCount, none.Stacks.Count), Is.EqualTo((0L, 0)));
            Assert.That(none.Unavailable, Is.EqualTo("ProfilerOptions.SampleAllocationsEvery is 0"));
        }

        using (Profiler first = Sampling(memory, Everything))
        {
            Assert.That(
                () => Sampling(memory, Everything),
                Throws.InvalidOperationException.With.Message.Contains("Another profiler samples the allocations"));
            AllocateSmall(arena, 10, blocks);
            Assert.That(LiveSamples(memory), Is.EqualTo(10));
        }

        AllocateSmall(arena, 100, blocks);
        using Profiler second = Sampling(memory, Everything);
        Assert.That(second.ToDocument("test").CallSites.SampleCount, Is.Zero);
        AllocateMedium(arena, 7, blocks);
        blocks.ForEach(block => arena.Free((void*)block));
        ProfileCallSites sites = second.ToDocument("test").CallSites;
        Assert.That((sites.SampleCount, sites.LiveSampleCount), Is.EqualTo((7L, 0L)));
    });

    [Test]
    public void Without_counters_the_profile_says_so()
    {
        using EngineMemory memory = Memory();
        using Profiler profiler = Sampling(memory, Everything);
        Assert.That(
            profiler.ToDocument("test").CallSites.Unavailable,
            Is.EqualTo("counters are off (the switch SuperSlab.Counters)"));
    }

    [TestCase(-1L)]
    [TestCase((1L << 40) + 1)]
    public void An_interval_out_of_its_range_is_refused(long bytes)
    {
        using EngineMemory memory = Memory();
        Assert.That(
            () => new Profiler(memory, new ProfilerOptions { SampleAllocationsEvery = bytes }),
            Throws.InstanceOf<ArgumentOutOfRangeException>().With.Message.Contains(
                $"ProfilerOptions.SampleAllocationsEvery is {bytes}; it must be from 0 to 1,099,511,627,776 bytes."));
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void AllocateSmall(LongLivedArena arena, int count, List<nint> blocks)
    {
        for (int block = 0; block < count; block++)
            blocks.Add((nint)arena.Allocate(64));
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void AllocateMedium(LongLivedArena arena, int count, List<nint> blocks)
    {
        ArenaHandle handle = arena.GetHandle();
        for (int block = 0; block < count; block++)
            blocks.Add((nint)handle.Allocate(1000));
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void AllocateLarge(LongLivedArena arena, int count, List<nint> blocks)
    {
        for (int block = 0; block < count; block++)
            blocks.Add((nint)arena.Allocate(40 * 1024));
    }

    private static void Churn(LongLivedArena arena, TimeSpan time)
    {
        nint* blocks = stackalloc nint[16];
        long end = Environment.TickCount64 + (long)time.TotalMilliseconds;
        while (Environment.TickCount64 < end)
        {
            for (int block = 0; block < 16; block++)
                blocks[block] = (nint)arena.Allocate(block == 7 ? (nuint)40_000 : 256);

            for (int block = 0; block < 16; block++)
                arena.Free((void*)blocks[block]);
        }
    }

    private static double Variance(long bytes, long every)
    {
        double probability = 1 - Math.Exp(-(double)bytes / every);
        return (double)bytes * bytes * (1 - probability) / probability;
    }
}
