using Engine.Tests.Support;

namespace Engine.Tests.Scenes;

/// <summary>A scene is played, its plan is recorded, and the same play by that plan must need nothing more and waste
/// little.</summary>
internal sealed unsafe class SceneRecorderTests
{
    private static readonly ScenePlan Rough =
        new()
        {
            Name = "recorded",
            Arenas = [new ArenaPlan()],
            FrameArena = new FrameArenaOptions { BytesPerLane = 4096, LaneCount = 2 }
        };

    private EngineMemory _memory = null!;

    [SetUp]
    public void MakeMemory() => _memory = new EngineMemory(new EngineMemoryOptions { ReservationBytes = Size.GiB(4) });

    [TearDown]
    public void DisposeMemory() => _memory.Dispose();

    [TestCase(1, 10, TestName = "Small blocks")]
    [TestCase(2, 17, TestName = "Blocks of all sizes")]
    [TestCase(3, 25, TestName = "Blocks up to 64 MiB")]
    public void A_recorded_plan_replays_without_faults_and_OS_calls_and_wastes_little(int seed, int bits)
    {
        ScenePlan plan = Record(seed, bits);
        using Scene again = Scene.Load(_memory, plan);
        HotLoopCost cost = HotLoopCost.BestOf(5, () =>
        {
            again.Arena.Reset();
            return HotLoopCost.Of(_memory, () => Play(again, seed, bits));
        });
        Assert.That(cost, Is.EqualTo(HotLoopCost.Nothing));
        Assert.That(again.FrameArena.OverflowCount, Is.Zero);

        // What the peaks of the replay need, alone, in whole slabs, against what the plan made the arena hold.
        long neededSlabs = 0;
        foreach (BlockCount peak in again.Arena.PeakBlocks())
        {
            int sizeClass = SizeClasses.IndexOf(peak.Bytes);
            long slabs = peak.Bytes > SlabGeometry.SuperSlabBytes
                ? (long)((peak.Bytes + SlabGeometry.SlabBytes - 1) >> SlabGeometry.SlabShift)
                : SizeClasses.SlabsPerRun(sizeClass);
            long perRun = peak.Bytes > SlabGeometry.SuperSlabBytes ? 1
                : Math.Max(1, (slabs << SlabGeometry.SlabShift) / (long)peak.Bytes);
            neededSlabs += (peak.Count + perRun - 1) / perRun * slabs;
        }

        double needed = neededSlabs / (double)SlabGeometry.SlabCount;
        TestContext.Out.WriteLine($"{again.Arena.SuperSlabCount} SuperSlabs prewarmed, {needed:F1} used");
        Assert.That(again.Arena.SuperSlabCount, Is.LessThanOrEqualTo((needed * 1.1) + 2));
        Assert.That(again.FrameArena.LaneBytes, Is.EqualTo((nuint)40_960));
        _memory.Validate();
    }

    [Test]
    public void Blocks_that_live_at_different_times_are_recorded_together_unless_the_plan_carves()
    {
        ScenePlan wandering = Rough with { Arenas = [new ArenaPlan { Carve = false }] };
        ScenePlan together = RecordPhases(wandering);
        ScenePlan bySize = RecordPhases(Rough);
        Assert.That(together.Arenas[0].TogetherSuperSlabCount, Is.InRange(11, 14), "20 MiB at a time");
        Assert.That(bySize.Arenas[0].TogetherSuperSlabCount, Is.Zero);
        ScenePlan read = ScenePlan.Parse(System.Text.Encoding.UTF8.GetBytes(together.ToJson()));
        Assert.That((read.Arenas[0].Carve, read.Arenas[0].TogetherSuperSlabCount),
            Is.EqualTo((false, together.Arenas[0].TogetherSuperSlabCount)));

        (long Resident, HotLoopCost Cost) least = PlayPhases(read);
        (long Resident, HotLoopCost Cost) most = PlayPhases(bySize);
        Assert.That((least.Cost, most.Cost), Is.EqualTo((HotLoopCost.Nothing, HotLoopCost.Nothing)));
        Assert.That(least.Resident, Is.LessThan(36 << 20), "of one phase");
        Assert.That(most.Resident, Is.GreaterThan(55 << 20), "of three");
    }

    [Test]
    public void What_lives_together_without_sizes_has_tables_for_all()
    {
        ArenaPlan together = new() { Carve = false, TogetherSuperSlabCount = 24, ThreadCount = 2 };
        using Scene scene = Scene.Load(_memory, Rough with { Arenas = [together] });
        long before = _memory.OsCalls;
        Phases(scene.Arena);
        for (nuint bytes = 1; bytes <= Size.MiB(2); bytes += (bytes / 9) + 1)
            scene.Arena.Free(scene.Arena.Allocate(bytes));

        Assert.That(_memory.OsCalls, Is.EqualTo(before));
    }

    private ScenePlan RecordPhases(ScenePlan plan)
    {
        using Scene scene = Scene.Load(_memory, plan);
        Phases(scene.Arena);
        SceneRecorder recorder = new();
        recorder.Add(scene);
        return recorder.Plan(headroom: 1.1);
    }

    private static (long Resident, HotLoopCost Cost) PlayPhases(ScenePlan plan)
    {
        using EngineMemory memory = new(new EngineMemoryOptions { ReservationBytes = Size.GiB(4), RetainBytes = 0 });
        using Scene scene = Scene.Load(memory, plan);
        HotLoopCost cost = HotLoopCost.BestOf(5, () => HotLoopCost.Of(memory, () => Phases(scene.Arena)));
        memory.Validate();
        return (memory.ResidentBytes(), cost);
    }

    /// <summary>20 MiB of small blocks, then of large ones, then of extents.</summary>
    private static void Phases(LongLivedArena arena)
    {
        ReadOnlySpan<nuint> sizes = [256, 40_000, 4_190_000];
        Span<nint> blocks = stackalloc nint[82_000];
        foreach (nuint bytes in sizes)
        {
            int count = (20 << 20) / (int)bytes;
            for (int index = 0; index < count; index++)
            {
                byte* block = (byte*)arena.Allocate(bytes);
                new Span<byte>(block, (int)bytes).Fill(1);
                blocks[index] = (nint)block;
            }

            for (int index = 0; index < count; index++)
                arena.Free((void*)blocks[index]);
        }
    }

    [Test]
    public void Several_recordings_give_the_worst_case_of_each_and_headroom()
    {
        SceneRecorder recorder = new();
        Assert.That(() => recorder.Plan(), Throws.InvalidOperationException);
        foreach ((nuint bytes, int count, uint frame) in ((nuint, int, uint)[])[(64, 500, 50_000), (64, 100, 9000),
            (300, 7, 100)])
        {
            using Scene scene = Scene.Load(_memory, Rough);
            for (int index = 0; index < count; index++)
                scene.Arena.Allocate(bytes);

            scene.FrameArena.Lane(1).Allocate(frame);
            recorder.Add(scene);
        }

        ScenePlan plan = recorder.Plan();
        Assert.That(plan.FrameArena!.BytesPerLane, Is.EqualTo((nuint)53_248), "50,000 in whole pages");
        Assert.That(plan.FrameArena.LaneCount, Is.EqualTo(2));
        Assert.That(plan.Arenas[0].Blocks.Select(block => block.Bytes), Is.EqualTo(new nuint[] { 64, 320 }));
        Assert.That(
            plan.Arenas[0].Blocks[0].Count, Is.InRange(500, 500 + SizeClasses.CacheBlocks(SizeClasses.IndexOf(64))));
        ScenePlan roomy = recorder.Plan(1.5);
        Assert.That(
            roomy.Arenas[0].Blocks[0].Count, Is.EqualTo((long)Math.Ceiling(plan.Arenas[0].Blocks[0].Count * 1.5)));
        Assert.That(() => recorder.Plan(0.5), Throws.InstanceOf<ArgumentOutOfRangeException>());
    }

    [Test]
    public void A_recorder_that_is_asked_twice_gives_each_size_once_and_none_that_was_not_used()
    {
        SceneRecorder recorder = new();
        ScenePlan[] plans = new ScenePlan[2];
        using (Scene scene = Scene.Load(_memory, Rough))
        {
            for (int time = 0; time < 2; time++)
            {
                void* block = scene.Arena.Allocate(32 << 20);
                block = scene.Arena.Reallocate(block, 33 << 20);
                block = scene.Arena.Reallocate(block, 48 << 20);
                scene.Arena.Free(block);
                recorder.Add(scene);
                plans[time] = recorder.Plan(1 + time);
                Assert.That(plans[time].Arenas[0].Blocks, Has.All.Property(nameof(BlockCount.Count)).GreaterThan(0));
                scene.Arena.Reset();
            }

            recorder.Add(scene);
        }

        foreach (ScenePlan plan in (ScenePlan[])[.. plans, recorder.Plan(), recorder.Plan(1.3)])
        {
            using Scene again = Scene.Load(_memory, ScenePlan.Parse(System.Text.Encoding.UTF8.GetBytes(plan.ToJson())));
            Assert.That(again.Arena.PeakBlocks, Throws.Nothing);
        }
    }

    [Test]
    public void Peaks_come_into_a_plan_once_and_within_its_ranges()
    {
        List<BlockCount> used = SceneRecorder.Used(
            [new(64, 0, 3), new(32 << 20, 0), new(32 << 20, 2, 1), new(4096, 5_000_000_000, 2), new(128, 5, 1000),
                new(32 << 20, 1, 2), new(256, -1)], out int threads);
        Assert.That(
            used, Is.EqualTo(new BlockCount[] { new(128, 5, 512), new(4096, 1_000_000_000, 2), new(32 << 20, 3, 2) }));
        Assert.That(threads, Is.EqualTo(512));
    }

    [Test]
    [Category(Lane.Slow)]
    public void Any_recording_gives_a_plan_that_loads_and_replays_without_OS_calls([Range(1, 12)] int seed)
    {
        Random random = new(seed);
        int bits = random.Next(5, 26);
        ScenePlan rough =
            Rough with
            {
                Arenas = [new ArenaPlan(), new ArenaPlan { Name = "unused" }],
                FrameArena = random.Next(3) == 0 ? Rough.FrameArena : Rough.FrameArena! with { BufferCount = 3 }
            };
        SceneRecorder recorder = new();
        for (int recording = random.Next(1, 4); recording >= 0; recording--)
        {
            using Scene scene = Scene.Load(_memory, rough);
            if (recording == 0 || random.Next(2) == 0)
                Play(scene, seed, bits);

            if (random.Next(2) == 0)
            {
                recorder.Add(scene);
                scene.Arena.Reset();
                scene.GetArena("unused").Trim();
            }

            if (recording == 0)
                Play(scene, seed, bits);

            recorder.Add(scene);
            _ = recorder.Plan(1 + random.NextDouble());
        }

        ScenePlan plan =
            ScenePlan.Parse(System.Text.Encoding.UTF8.GetBytes(recorder.Plan(random.Next(2) == 0 ? 1 : 1.1).ToJson()));
        Assert.That(plan.Arenas[1].Blocks, Is.Empty);
        using Scene again = Scene.Load(_memory, plan);
        HotLoopCost cost = HotLoopCost.BestOf(3, () =>
        {
            again.Arena.Reset();
            return HotLoopCost.Of(_memory, () => Play(again, seed, bits));
        });
        Assert.That(cost, Is.EqualTo(HotLoopCost.Nothing));
        _memory.Validate();
    }

    private static void Play(Scene scene, int seed, int bits)
    {
        // A generator of its own: one of the runtime's would allocate in the frames.
        uint random = (uint)seed * 2654435761;
        Span<nint> live = stackalloc nint[300];
        live.Clear();
        nuint liveBytes = 0;
        Span<nuint> sizes = stackalloc nuint[300];
        for (int frame = 0; frame < 300; frame++)
        {
            scene.FrameArena.NextFrame();
            scene.FrameArena.Lane(frame % 2).Allocate(Next(ref random) % 40_000);
            if (frame == 7)
            {
                scene.FrameArena.Lane(1).Allocate(1);
                scene.FrameArena.NextFrame();
                scene.FrameArena.Lane(0).Allocate(40_001);
            }

            for (int step = 0; step < 30; step++)
            {
                int slot = (int)(Next(ref random) % (uint)live.Length);
                if (live[slot] != 0)
                {
                    scene.Arena.Free((void*)live[slot]);
                    live[slot] = 0;
                    liveBytes -= sizes[slot];
                }
                else
                {
                    nuint bytes = 1 + (Next(ref random) % (2u << (int)(Next(ref random) % (uint)bits)));
                    if (liveBytes + bytes < 128u << 20)
                    {
                        live[slot] = (nint)scene.Arena.Allocate(bytes);
                        *(byte*)live[slot] = 1;
                        sizes[slot] = bytes;
                        liveBytes += bytes;
                    }
                }
            }
        }
    }

    private static uint Next(ref uint random)
    {
        random ^= random << 13;
        random ^= random >> 17;
        random ^= random << 5;
        return random;
    }

    private ScenePlan Record(int seed, int bits)
    {
        SceneRecorder recorder = new();
        using Scene scene = Scene.Load(_memory, Rough);
        Play(scene, seed, bits);
        recorder.Add(scene);
        return recorder.Plan();
    }
}
