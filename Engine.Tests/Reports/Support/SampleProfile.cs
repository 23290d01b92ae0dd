namespace Engine.Tests.Reports.Support;

/// <summary>Made-up profiles with everything in them: plausible, the same on every run, and of nothing that ever ran.</summary>
internal static class SampleProfile
{
    /// <summary>Text that would break out of a script, an attribute, a cell or a line if anything forgot to escape it.</summary>
    public const string HostileName = "</script><img src=x onerror=alert(1)>\"',\n&amp;\u2028<!--";

    private const ulong SuperSlabBytes = 2 << 20;

    /// <summary>Nothing but what must be there.</summary>
    public static ProfileDocument Empty => new()
    {
        Application = "test data: nothing",
        Machine = "no machine",
        Began = new DateTimeOffset(2026, 1, 2, 3, 4, 5, TimeSpan.Zero),
        Nanoseconds = 0,
        Reservation = new ProfileReservation(0, 0, -1, 0, 0, 0, 0, 0),
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
        {
            starts[frame] = starts[frame - 1] + Math.Max(times[frame - 1], 16_666_667);
        }

        return Empty with
        {
            Application = "test data: a game that never ran",
            Machine = "an imaginary machine, 8 processors, .NET 10 (JIT)",
            Nanoseconds = starts[^1] + times[^1],
            Reservation = new ProfileReservation(0x7f0000000000, 64UL << 30, 412L << 20, 150, 22, 6 << 20, 318, 96_000_000),
            Policies =
            [
                new("ExplicitHuge pages by PopulateWrite", "left", "no huge pages are set aside: nr_hugepages is 0"),
                new("TransparentHuge pages by PopulateWrite", "in force", "0 of 512 pages would fault, 2 of 2 MiB in huge pages"),
                new("Normal pages by Touch", "not tried", "an earlier policy holds"),
            ],
            Arenas =
            [
                new(name, "long-lived", 96, 150UL << 20, 6 << 20, 210UL << 20, 200UL << 20, 256UL << 20, 1, 0),
                new("sounds", "long-lived", 14, 20 << 20, 1 << 20, 30 << 20, 0, 64 << 20, 0, 0),
                new("frames", "frame", 40, 31 << 20, 0, 80 << 20, 0, 0, 0, 0),
            ],
            SuperSlabs = SuperSlabs(name, random),
            Classes = [.. new ulong[] { 16, 48, 64, 128, 320, 1024, 4096 }.SelectMany(bytes => new ProfileClass[]
            {
                new(name, bytes, random.Next(100_000), random.Next(20_000), random.Next(500), bytes * 7),
                new("sounds", bytes, random.Next(4000), random.Next(1000), random.Next(100), bytes),
            })],
            Lanes = [.. Enumerable.Range(0, 8).Select(lane =>
                new ProfileLane("frames", lane, 4 << 20, (ulong)random.Next(2 << 20), (2 << 20) + (ulong)random.Next(lane == 5 ? 4 << 20 : 1 << 20)))],
            ThreadCaches = [.. Enumerable.Range(0, 8).Select(slot =>
                new ProfileThreadCache(slot % 2 == 0 ? name : "sounds", slot, slot == 0 ? name : $"worker {slot}", random.Next(4000), (ulong)random.Next(300_000)))],
            Tags =
            [
                new(name, 96 << 20, 80 << 20, 112 << 20, 4_000_000, 3_800_000),
                new("physics", 64 << 20, 31 << 20, 40 << 20, 900_000, 880_000),
                new("scripts", 0, -4096, 2 << 20, 70_000, 70_010),
            ],
            Frames = Frames(times, starts),
            Hitches = [.. Enumerable.Range(0, frames).Where(IsHitch).Select(frame =>
                new ProfileHitch(frame, times[frame], frame % 2 == 0 ? $"3 page faults in {name}" : "a collection of generation 0"))],
            Memory = new ProfileSeries
            {
                Times = [.. starts.Where((_, frame) => frame % 20 == 0)],
                Arenas = [Curve(name, frames, 96), Curve("sounds", frames, 14), Curve("frames", frames, 40)],
                Tags = [Curve(name, frames, 40), Curve("physics", frames, 15)],
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
                Frames = [.. Enumerable.Range(0, frames).Where(IsHitch).Select(frame => new ProfileFrameFaults(frame, "SuperSlab payload", $"{name}, blocks of 64 B", 3))],
            },
            Events =
            [
                new("loads", $"load {name}", 0, 90_000_000),
                new("loads", "load caves", 40_000_000, 120_000_000),
                new("SuperSlabs", "take 12", 95_000_000, 0),
            ],
            Plans = [new(name, 300UL << 20, 210UL << 20, $$"""{ "name": "{{name}}", "arenas": { "world": { "prewarm": { "superSlabs": 105 } } } }""")],
        };
    }

    private static bool IsHitch(int frame) => frame % 977 == 500;

    private static long FrameNanoseconds(int frame, Random random) =>
        (long)(2_000_000 + (600_000 * Math.Sin(frame / 180.0)) + (random.NextDouble() * 500_000)) * (IsHitch(frame) ? 12 : 1);

    private static ProfileFrames Frames(long[] times, long[] starts)
    {
        long[] sorted = [.. times.Order()];
        long At(double share) => sorted[(int)((sorted.Length - 1) * share)];
        return new ProfileFrames
        {
            Count = times.Length,
            First = 0,
            Starts = starts,
            Nanoseconds = times,
            Allocations = [.. times.Select(time => time / 5000)],
            AllocatedBytes = [.. times.Select(time => time / 50)],
            PageFaults = [.. times.Select((_, frame) => IsHitch(frame) ? 3L : 0)],
            Overflows = new long[times.Length],
            ManagedBytes = new long[times.Length],
            Collections = new long[times.Length],
            Percentiles = new ProfilePercentiles(At(0.5), At(0.9), At(0.99), At(0.999), sorted[^1]),
            Histogram = [.. times.GroupBy(time => time / 100_000).OrderBy(bucket => bucket.Key).Select(bucket => new ProfileBucket(bucket.Key * 100_000, bucket.Count()))],
        };
    }

    private static ProfileCurve Curve(string name, int frames, int superSlabs) =>
        new(name, [.. Enumerable.Range(0, (frames + 19) / 20).Select(sample => (long)SuperSlabBytes * (superSlabs - (superSlabs / (2 + (sample / 10)))))]);

    private static ProfileSuperSlab[] SuperSlabs(string name, Random random) => [.. Enumerable.Range(0, 600).Select(index => index switch
    {
        < 110 => Divided(index, index < 96 ? name : "sounds", random),
        < 150 => new ProfileSuperSlab(index, "owned", "TransparentHuge", "frames", SuperSlabBytes / 2, []),
        < 172 => new ProfileSuperSlab(index, "ready", "TransparentHuge", "", 0, []),
        < 176 => new ProfileSuperSlab(index, "extent", "TransparentHuge", name, SuperSlabBytes, []),
        _ => new ProfileSuperSlab(index, "free", "Normal", "", 0, []),
    })];

    private static ProfileSuperSlab Divided(int index, string arena, Random random)
    {
        ulong[] sizes = [16, 48, 64, 128, 320, 1024, 4096];
        ulong[] slabs = [.. Enumerable.Range(0, 32).Select(_ => random.Next(5) == 0 ? 0 : sizes[random.Next(sizes.Length)])];
        return new ProfileSuperSlab(index, "owned", "TransparentHuge", arena, (ulong)random.Next(10) * SuperSlabBytes / 10, slabs);
    }
}
