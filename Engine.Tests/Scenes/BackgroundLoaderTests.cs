using System.Diagnostics;
using Engine.Tests.Support;

namespace Engine.Tests.Scenes;

/// <summary>Scenes that load and unload on other threads: nothing is left behind, nothing is taken from a running
/// scene.</summary>
internal sealed class BackgroundLoaderTests
{
    private const int Cycles = 1000;

    [Test]
    public void A_loader_that_does_not_come_about_leaves_no_thread()
    {
        using EngineMemory memory = new(new EngineMemoryOptions { ReservationBytes = Size.GiB(1) });
        RefusedThreads.MustLeaveNone<OutOfMemoryException>(refused: 4, () => new BackgroundLoader(memory, 8));
    }

    [Test]
    [Category(Lane.Slow)]
    public unsafe void A_thousand_loads_of_four_plans_leave_resident_memory_flat()
    {
        int seed = TestRandom.Seed();
        Random random = new(seed);
        using EngineMemory memory = new(new EngineMemoryOptions { ReservationBytes = Size.GiB(4) });
        using BackgroundLoader loader = new(memory, 2);
        using LongLivedArena shared = memory.CreateLongLivedArena("shared");
        uint* kept = (uint*)shared.Allocate(4096);
        *kept = 0xC0FFEE;
        StreamedScene[] scenes = [.. Enumerable.Range(0, 4).Select(index => loader.Add(PlanOf(index)))];
        nuint after = 0;
        nuint metadata = 0;
        long start = Stopwatch.GetTimestamp();
        for (int cycle = 0; cycle < Cycles; cycle++)
        {
            StreamedScene first = scenes[random.Next(4)];
            StreamedScene second = scenes[random.Next(4)];
            first.Load();
            if (second != first)
            {
                second.Load();
                Use(second);
            }

            Use(first);
            first.Unload();
            if (second != first)
            {
                second.Unload();
                second.Wait();
            }

            first.Wait();
            if (cycle == Cycles / 10)
            {
                after = ResidentMemory.Settled();
                metadata = memory.MetadataBytes;
            }
        }

        memory.Validate();
        double growth = (ResidentMemory.Settled() - (double)after) / (1 << 20);
        TestContext.Out.WriteLine(
            $"{Stopwatch.GetElapsedTime(start).TotalSeconds:F1} s, resident memory changed by {growth:F2} MiB, "
            + $"metadata {memory.MetadataBytes} bytes");
        nuint retired = memory.MetadataBytes - metadata;
        Assert.That(retired, Is.LessThanOrEqualTo(MetadataHeap.MostRetiredBytes), "what handles may still read");
        Assert.That(growth, Is.LessThan(2 + ((double)retired / (1 << 20))));
        Assert.That(*kept, Is.EqualTo(0xC0FFEE), "a shared arena outlives all scenes");
        Assert.That(memory.ReadySuperSlabCount, Is.Zero);
        Assert.That(memory.OwnedSuperSlabCount, Is.EqualTo(shared.SuperSlabCount));
    }

    [Test]
    public void A_load_in_the_background_takes_nothing_from_a_running_scene()
    {
        Assume.That(PageFaults.IsPerThread);
        using EngineMemory memory = new(new EngineMemoryOptions { ReservationBytes = Size.GiB(4) });
        using BackgroundLoader loader = new(memory);
        using Scene running = Scene.Load(memory, PlanOf(0));
        StreamedScene next =
            loader.Add(new ScenePlan { Name = "next", Arenas = [new ArenaPlan { Blocks = [new(1 << 20, 128)] }] });
        next.Load();
        next.Wait();
        next.Unload();
        next.Wait();
        HotLoopCost cost = HotLoopCost.BestOf(5, () =>
        {
            using HotLoopGuard guard = new(memory);
            guard.Watch(running);
            PlayUntilLoaded(guard, running, next);
            next.Unload();
            next.Wait();
            return new HotLoopCost(0, guard.Total.PageFaults, guard.Total.OsCalls, guard.Total.ManagedBytes);
        });
        Assert.That(cost, Is.EqualTo(HotLoopCost.Nothing));
    }

    [Test]
    public void A_cancelled_load_leaves_nothing_behind_and_may_be_begun_again()
    {
        using EngineMemory memory = new(new EngineMemoryOptions { ReservationBytes = Size.GiB(4) });
        using BackgroundLoader loader = new(memory);
        StreamedScene scene =
            loader.Add(new ScenePlan { Name = "large", Arenas = [new ArenaPlan { Blocks = [new(1 << 20, 200)] }] });
        scene.Load();
        scene.Cancel();
        Assert.That(scene.Wait(), Is.EqualTo(StreamState.Failed));
        Assert.That(scene.Error, Is.InstanceOf<OperationCanceledException>());
        Assert.That((memory.OwnedSuperSlabCount, memory.ReadySuperSlabCount), Is.EqualTo((0, 0)));
        Assert.That(() => scene.Scene, Throws.InvalidOperationException.With.Message.Contains("Failed"));
        Assert.That(scene.Unload, Throws.InvalidOperationException);

        scene.Load();
        Assert.That(scene.Load, Throws.InvalidOperationException);
        Assert.That(scene.Wait(), Is.EqualTo(StreamState.Loaded));
        Assert.That(scene.Progress, Is.EqualTo(1));
        Assert.That(scene.Error, Is.Null);
    }

    [Test]
    public void A_load_that_fails_says_why()
    {
        using EngineMemory memory = new(new EngineMemoryOptions { ReservationBytes = Size.MiB(128) });
        using BackgroundLoader loader = new(memory);
        StreamedScene scene =
            loader.Add(
            new ScenePlan { Name = "too large", Arenas = [new ArenaPlan { Blocks = [new(1 << 20, 1000)] }] });
        scene.Load();
        Assert.That(scene.Wait(), Is.EqualTo(StreamState.Failed));
        Assert.That(scene.Error, Is.InstanceOf<EngineOutOfMemoryException>());
        Assert.That((memory.OwnedSuperSlabCount, memory.ReadySuperSlabCount), Is.EqualTo((0, 0)));
    }

    [Test]
    public async Task LoadAsync_gives_the_scene_or_what_went_wrong()
    {
        using EngineMemory memory = new(new EngineMemoryOptions { ReservationBytes = Size.GiB(1) });
        using (Scene scene = await Scene.LoadAsync(memory, PlanOf(1)))
        {
            Assert.That(scene.Arena.SuperSlabCount, Is.Positive);
        }

        using CancellationTokenSource cancellation = new();
        await cancellation.CancelAsync();
        Assert.That(
            async () =>
                await Scene.LoadAsync(memory, PlanOf(1), new SceneLoadOptions { Cancellation = cancellation.Token }),
            Throws.InstanceOf<OperationCanceledException>());
        Assert.That(memory.OwnedSuperSlabCount, Is.Zero);
    }

    [Test]
    public void The_loaders_threads_give_way_to_all_others()
    {
        Assume.That(OperatingSystem.IsLinux());
        using EngineMemory memory = new(new EngineMemoryOptions { ReservationBytes = Size.GiB(1) });
        using BackgroundLoader loader = new(memory, 2);
        StreamedScene scene = loader.Add(PlanOf(0));
        scene.Load();
        scene.Wait();
        int[] nice = [.. NiceOfThreads("scene loader")];
        Assert.That(nice, Has.Length.EqualTo(2).And.Contains(19));
        Assert.That(NiceOfThreads(".NET TP"), Is.All.LessThan(19), "the pool's threads are as they were");
    }

    [Test]
    public void Disposing_the_loader_unloads_what_it_loaded()
    {
        using EngineMemory memory = new(new EngineMemoryOptions { ReservationBytes = Size.GiB(1) });
        BackgroundLoader loader = new(memory);
        StreamedScene scene = loader.Add(PlanOf(0));
        scene.Load();
        scene.Wait();
        loader.Dispose();
        loader.Dispose();
        Assert.That(memory.OwnedSuperSlabCount, Is.Zero);
        Assert.That(() => loader.Add(PlanOf(0)), Throws.InstanceOf<ObjectDisposedException>());
    }

    // /proc/self/task/N/stat: "N (name) state ppid ...", and nice is the 17th after the name.
    private static IEnumerable<int> NiceOfThreads(string name) =>
        from folder in Directory.EnumerateDirectories("/proc/self/task")
        let stat = Read(folder + "/stat")
        where stat.Contains("(" + name, StringComparison.Ordinal)
        select int.Parse(
            stat[(stat.LastIndexOf(')') + 2)..].Split(' ')[16], System.Globalization.CultureInfo.InvariantCulture);

    /// <summary>The file of a thread, which may end meanwhile.</summary>
    private static string Read(string path)
    {
        try
        {
            return File.ReadAllText(path);
        }
        catch (IOException)
        {
            return "";
        }
    }

    private static ScenePlan PlanOf(int index) => new()
    {
        Name = $"level {index}",
        Arenas =
            [new ArenaPlan { Blocks =
            [new(64, 1000 * (index + 1)), new((nuint)(1000 << index), 200), new(3 << 20, index + 1)],
            ThreadCount = 2 }],
        FrameArena = new FrameArenaOptions { BytesPerLane = (nuint)(64 * 1024 * (index + 1)), LaneCount = 2 },
    };

    private static unsafe void Use(StreamedScene streamed)
    {
        Assert.That(streamed.Wait(), Is.EqualTo(StreamState.Loaded), streamed.Error?.ToString());
        for (int block = 0; block < 100; block++)
            *(byte*)streamed.Scene.Arena.Allocate(64) = 1;
    }

    private static unsafe void PlayUntilLoaded(HotLoopGuard guard, Scene running, StreamedScene next)
    {
        guard.WarmUp(3);
        for (int frame = 0; next.State != StreamState.Loaded; frame++)
        {
            guard.BeginFrame();
            if (frame == 3)
                next.Load();

            running.FrameArena.NextFrame();
            running.FrameArena.Lane(0).AllocateSpan<float>(1000).Fill(frame);
            for (int round = 0; round < 100; round++)
            {
                void* block = running.Arena.Allocate(64);
                *(int*)block = round;
                running.Arena.Free(block);
            }

            guard.EndFrame();
        }
    }
}
