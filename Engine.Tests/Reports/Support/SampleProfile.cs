namespace Engine.Tests.Reports.Support;

/// <summary>Made-up profiles with everything in them: plausible, the same on every run, and of nothing that ever
/// ran.</summary>
internal static class SampleProfile
{
    /// <summary>Text that would break out of a script, an attribute, a cell or a line if anything forgot to escape
    /// it.</summary>
    public const string HostileName = "</script><img src=x onerror=alert(1)>\"',\n&amp;\u2028<!--";

    private const long SuperSlabBytes = 2 << 20;
    private const int World = 1;
    private const int Sounds = 2;
    private const int FrameArena = 3;

    /// <summary>Nothing but what must be there.</summary>
    public static ProfileDocument Empty => new()
    {
        Application = "test data: nothing",
        Machine = "no machine",
        Began = new DateTimeOffset(2026, 1, 2, 3, 4, 5, TimeSpan.Zero),
        Nanoseconds = 0,
        Totals = new MemoryTotals(0, 0, -1, 0, 0, 0, 0, 0),
    };

    /// <summary>A game with two levels, hitches, tags over budget and faults.</summary>
    /// <param name="frames">How many frames it has.</param>
    /// <param name="name">The name of its first arena, tag and thread.</param>
    public static ProfileDocument Create(int frames = 4000, string name = "world")
    {
        Random random = new(42);
        long[] times = [.. Enumerable.Range(0, frames).Select(frame => FrameNanoseconds(frame, random))];
        long[] starts = new long[frames];
        for (int frame = 1; frame < frames; frame++)
            starts[frame] = starts[frame - 1] + Math.Max(times[frame - 1], 16_666_667);

        return Empty with
        {
            Application = "test data: a game that never ran",
            Machine = "an imaginary machine, 8 processors, .NET 10 (JIT)",
            Nanoseconds = starts[^1] + times[^1],
            Totals = new MemoryTotals(0x7f0000000000, 64L << 30, 412L << 20, 150, 22, 6 << 20, 318, 96_000_000),
            Policies =
            [
                new("ExplicitHuge pages by PopulateWrite", "left", "no huge pages are set aside: nr_hugepages is 0"),
                new("TransparentHuge pages by PopulateWrite", "in force",
                    "0 of 512 pages would fault, 2 of 2 MiB in huge pages"),
                new("Normal pages by Touch", "not tried", "an earlier policy holds"),
            ],
            Arenas =
            [
                new(World, new(name), false, 96)
                {
                    LiveBytes = 150 << 20,
                    CachedBytes = 6 << 20,
                    PeakBytes = 210 << 20,
                    SoftBudgetBytes = 200 << 20,
                    HardBudgetBytes = 256 << 20,
                    SoftOverrunCount = 1,
                },
                new(Sounds, new("sounds"), false, 14)
                {
                    LiveBytes = 20 << 20, CachedBytes = 1 << 20, PeakBytes = 30 << 20, HardBudgetBytes = 64 << 20,
                },
                new(FrameArena, new("frames"), true, 40) { LiveBytes = 31 << 20, PeakBytes = 80 << 20 },
            ],
            DisposedArenas = [new("title", false, 3, 44 << 20), new("title: frame", true, 3, 6 << 20)],
            SuperSlabs = SuperSlabs(random),
            Classes = [.. new long[] { 16, 48, 64, 128, 320, 1024, 4096 }.SelectMany(bytes => new SizeClassRow[]
            {
                new(World, bytes, random.Next(100_000), random.Next(20_000), random.Next(500), bytes * 7),
                new(Sounds, bytes, random.Next(4000), random.Next(1000), random.Next(100), bytes),
            })],
            Lanes = [.. Enumerable.Range(0, 8).Select(lane =>
                new LaneRow(
                    FrameArena, lane, 4 << 20, random.Next(2 << 20),
                    (2 << 20) + random.Next(lane == 5 ? 4 << 20 : 1 << 20)))],
            ThreadCaches = [.. Enumerable.Range(0, 8).Select(slot =>
                new ThreadCacheRow(
                    slot % 2 == 0 ? World : Sounds, slot, new(slot == 0 ? name : $"worker {slot}"), slot, false,
                        random.Next(4000), random.Next(300_000)))],
            Tags =
            [
                new(1, new(name), 96 << 20, 4_000_000, 80 << 20, 3_800_000, 0, 112 << 20),
                new(2, new("physics"), 64 << 20, 900_000, 31 << 20, 880_000, 0, 40 << 20),
                new(3, new("scripts"), 0, 70_000, 0, 70_010, 4096, 2 << 20),
            ],
            Frames = Frames(times, starts),
            Hitches = [.. Enumerable.Range(0, frames).Where(IsHitch).Select(frame =>
                new ProfileDocument.Hitch(
                    frame, times[frame],
                    frame % 2 == 0 ? $"3 page faults in {name}" : "a collection of generation 0"))],
            HitchCount = Enumerable.Range(0, frames).Count(IsHitch),
            Notes = [new(1, times[1], "SuperSlabs: +12, 150 owned"), new(2, times[2], "1 lane overflows")],
            NoteCount = 2,
            FrameMeaning = "The game's own table has other times.",
            Memory = new ProfileSeries
            {
                Times = [.. starts.Where((_, frame) => frame % 20 == 0)],
                Arenas = [Curve(name, frames, 96), Curve("sounds", frames, 14), Curve("frames", frames, 40)],
                AllocatedByTag = [Curve(name, frames, 40), Curve("physics", frames, 15)],
            },
            Faults = new ProfileFaults
            {
                Unavailable = "",
                KernelCount = 1060,
                Owners =
                [
                    new("SuperSlab payload", $"{name}, blocks of 64 B", 700, "Game.World.Spawn"),
                    new("GC heap", "generation 0", 300, "Game.Scripts.Run"),
                    new("library", "libc.so.6", 60, ""),
                ],
                Frames = [.. Enumerable.Range(0, frames).Where(IsHitch).Select(frame =>
                    new ProfileFaults.OwnerInFrame(frame, "SuperSlab payload", $"{name}, blocks of 64 B", 3))],
            },
            CallSites = CallSites(name),
            Events =
            [
                new("loads", $"load {name}", 0, 90_000_000),
                new("loads", "load caves", 40_000_000, 120_000_000),
                new("SuperSlabs", "take 12", 95_000_000, 0),
            ],
            Plans = [new(name, 300L << 20, 210L << 20, PlanJson(name)) { TakenBytes = 240L << 20 }],
        };
    }

    /// <summary>Call stacks of some depths under three tags.</summary>
    private static ProfileCallSites CallSites(string name)
    {
        Random random = new(43);
        string[] places =
            ["Game.Program.Main", "Game.Loop.Run", "Game.World.Spawn", "Game.World.Stream", name, "libsound.so!mix"];
        ProfileCallSites.StackRow[] stacks =
        [
            .. Enumerable.Range(0, 40).Select(stack =>
            {
                int[] callers = [.. Enumerable.Range(0, random.Next(3)).Select(_ => 2 + random.Next(4)), 1, 0];
                long samples = random.Next(1, 400);
                long live = random.Next((int)samples + 1);
                return new ProfileCallSites.StackRow(
                    callers, stack % 3 == 0 ? name : stack % 3 == 1 ? "physics" : "(no tag)",
                    live * 524_800, (long)(Math.Sqrt(live) * 524_500), live,
                    samples * 524_800, (long)(Math.Sqrt(samples) * 524_500), samples);
            }).DistinctBy(stack => string.Join(' ', stack.Places) + stack.Tag),
        ];
        return new ProfileCallSites
        {
            Unavailable = "",
            IntervalBytes = 512 << 10,
            SampleCount = stacks.Sum(stack => stack.SampleCount),
            LiveSampleCount = stacks.Sum(stack => stack.LiveSampleCount),
            Places = places,
            Stacks = [.. stacks.OrderByDescending(stack => stack.LiveBytes)],
        };
    }

    private static string PlanJson(string scene) =>
        $$"""{ "name": "{{scene}}", "arenas": { "world": { "prewarm": { "superSlabs": 105 } } } }""";

    private static bool IsHitch(int frame) => frame % 977 == 500;

    private static long FrameNanoseconds(int frame, Random random) =>
        (long)(2_000_000 + (600_000 * Math.Sin(frame / 180.0)) + (random.NextDouble() * 500_000)) * (IsHitch(frame)
            ? 12 : 1);

    private static ProfileFrames Frames(long[] times, long[] starts)
    {
        long[] sorted = [.. times.Order()];
        long At(double share) => sorted[(int)((sorted.Length - 1) * share)];
        return new ProfileFrames
        {
            Count = times.Length,
            First = 0,
            BudgetNanoseconds = 16_666_667,
            OverBudgetCount = times.Count(time => time > 16_666_667),
            Columns = new Dictionary<string, long[]>
            {
                ["start"] = starts,
                ["nanoseconds"] = times,
                ["allocations"] = [.. times.Select(time => time / 5000)],
                ["allocated_bytes"] = [.. times.Select(time => time / 50)],
                ["page_faults"] = [.. times.Select((_, frame) => IsHitch(frame) ? 3L : 0)],
                ["overflows"] = new long[times.Length],
                ["managed_bytes"] = new long[times.Length],
                ["collections"] = new long[times.Length],
            },
            Percentiles = new ProfileFrames.TimePercentiles(At(0.5), At(0.9), At(0.99), At(0.999), sorted[^1]),
            Histogram = [.. times.GroupBy(time => time / 100_000).OrderBy(bucket => bucket.Key).Select(bucket =>
                new ProfileFrames.Bucket(bucket.Key * 100_000, bucket.Count()))],
        };
    }

    private static ProfileSeries.Curve Curve(string name, int frames, int superSlabs) =>
        new(name, [.. Enumerable.Range(0, (frames + 19) / 20).Select(sample =>
            (long)SuperSlabBytes * (superSlabs - (superSlabs / (2 + (sample / 10)))))]);

    private static SuperSlabRow[] SuperSlabs(Random random) => [.. Enumerable.Range(0, 600).Select(index => index switch
    {
        < 110 => Divided(index, index < 96 ? World : Sounds, random),
        < 150 => SuperSlab(index, SuperSlabState.Owned, FrameArena, SuperSlabBytes / 2),
        < 172 => SuperSlab(index, SuperSlabState.Ready, 0, 0),
        < 176 => SuperSlab(index, SuperSlabState.Extent, World, SuperSlabBytes),
        _ => SuperSlab(index, SuperSlabState.Free, 0, 0) with { Pages = PageKind.Normal },
    })];

    private static SuperSlabRow Divided(int index, int arena, Random random)
    {
        long[] sizes = [16, 48, 64, 128, 320, 1024, 4096];
        long[] slabs = [.. Enumerable.Range(0, 32).Select(_ =>
            random.Next(5) == 0 ? 0 : sizes[random.Next(sizes.Length)])];
        return SuperSlab(
            index, SuperSlabState.Owned, arena, random.Next(10) * SuperSlabBytes / 10) with
        { Slabs = slabs };
    }

    private static SuperSlabRow SuperSlab(int index, SuperSlabState state, int arena, long used) =>
        new() { Index = index, State = state, Pages = PageKind.TransparentHuge, ArenaNumber = arena, UsedBytes = used };
}
