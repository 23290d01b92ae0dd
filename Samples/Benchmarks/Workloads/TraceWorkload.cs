// Recorded games as workloads.
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Samples.Benchmarks.Contestants;
using Samples.Benchmarks.Measuring;
using Samples.Common;
using Samples.GameReplay;
using Samples.GameReplay.Learning;
using Samples.GameReplay.Playing;
using Samples.GameReplay.Rows;
using Samples.GameReplay.Scripts;
using Samples.GameReplay.Tracing;
using SuperSlab.Scenes;

namespace Samples.Benchmarks.Workloads;

/// <summary>
/// The allocations of a recorded game, as the sample GameReplay plays them: the time that a frame's calls and writes
/// take, summed over the game's threads. One figure of the frames' distribution is one workload.
/// </summary>
internal sealed class TraceWorkload(TraceReplay replay, int percentile) : Workload
{
    /// <summary>The percentiles that are shown; 100 is the longest frame.</summary>
    public static readonly int[] Percentiles = [50, 99, 100];

    public override string Name => "trace-" + replay.Game;
    public override string? Variant => percentile == 100 ? "max" : $"p{percentile}";
    public override string Operation => "frame";
    public override long Operations => 1;
    public override IReadOnlyList<Parameter> Parameters => [new("percentile", percentile)];

    public override IReadOnlyList<string> Contestants =>
    [
        ContestantNames.Null, ContestantNames.Handle, ContestantNames.HandleCold, ContestantNames.HandleOnDemand,
        ContestantNames.NativeMemory,
    ];

    public override string OneRunWith => Name;
    public override string NativeTime => Variant!;
    public override bool IsMemoryAsked => true;

    /// <summary>All figures of all games that travel with the sample GameReplay.</summary>
    public static IEnumerable<TraceWorkload> All() => TraceFile.EmbeddedNames()
        .Select(game => new TraceReplay(game))
        .SelectMany(replay => Array.ConvertAll(Percentiles, percentile => new TraceWorkload(replay, percentile)));

    public override IReadOnlyList<string> NativeArguments(string folder) => ["replay", replay.Script(folder)];

    public override Measurement Measure(string contestant)
    {
        RunDocument run = replay.Run(contestant);
        FrameNanoseconds times = run.FrameNanoseconds;
        return new Measurement
        {
            Workload = Id,
            Nanoseconds = [percentile switch { 50 => times.P50, 99 => times.P99, _ => times.Max }],
            Checksum = (ulong)run.Frames,
            PeakResidentBytes = run.PeakResidentBytes,
            MetadataBytes = run.MetadataBytes,
            OsCalls = run.HotLoop.OsCalls,
        };
    }
}

/// <summary>
/// One recorded game, replayed by the sample GameReplay in this process, or written as a script for the native driver.
/// The workloads of one game are figures of one replay, so they share this.
/// </summary>
internal sealed class TraceReplay(string game)
{
    private readonly Dictionary<string, RunDocument> _runs = [];

    public string Game => game;

    /// <summary>Replays the game, unless that was done already.</summary>
    /// <exception cref="RunFailedException">The allocator could not do it.</exception>
    public RunDocument Run(string contestant)
    {
        if (!_runs.TryGetValue(contestant, out RunDocument? run))
        {
            TraceFile trace = TraceFile.Find(game);
            run = Replay(contestant, trace, TraceLearner.Learn(trace.Open(), trace.Name)).Run;
            _runs.Add(contestant, run);
        }

        return run;
    }

    /// <summary>
    /// Writes the script for the native driver, unless that was done already; <c>Native/replay.c</c> describes it.
    /// </summary>
    /// <returns>The file.</returns>
    public string Script(string folder)
    {
        string path = Path.Combine(folder, game + ".script");
        if (!File.Exists(path))
        {
            using FileStream file = File.Create(path);
            Write(file);
        }

        return path;
    }

    private static RowMeasurement Replay(string contestant, TraceFile trace, TraceProfile profile)
    {
        ContestantHost.Prepare(contestant);
        RowSpec row = contestant switch
        {
            ContestantNames.Handle => new RowSpec(AllocatorKind.Engine, IsPrewarmed: true),
            ContestantNames.HandleCold or ContestantNames.HandleOnDemand =>
                new RowSpec(AllocatorKind.Engine, IsPrewarmed: false),
            ContestantNames.NativeMemory or ContestantNames.Null =>
                new RowSpec(AllocatorKind.Malloc, IsPrewarmed: false),
            _ => throw new RunFailedException($"There is no contestant '{contestant}' in a replay."),
        };
        var job = new ReplayJob(trace, profile, Plan: null, TouchMode.First);
        return contestant == ContestantNames.Null
            ? RowRuns.Measure<NullReplay, NullReplayAllocator, Address>(row, job)
            : RowRuns.Measure(row, job);
    }

    private void Write(Stream file)
    {
        TraceFile trace = TraceFile.Find(game);
        TraceProfile profile = TraceLearner.Learn(trace.Open(), trace.Name);
        Write(file, (uint)profile.Threads);
        Write(file, (uint)profile.Slots);
        Write(file, (uint)profile.Frames);
        foreach (int capacity in profile.OperationCapacities)
            Write(file, (uint)capacity);

        using var reader = new TraceReader(trace.Open(), trace.Name, profile.Slots);
        var compiler = new StepCompiler(reader);
        var script = new StepScript(profile.OperationCapacities);
        while (compiler.TryCompile(script))
        {
            Write(file, (uint)script.Kind);
            for (int thread = 0; thread < profile.Threads; thread++)
                Write(file, script.Operations(thread));
        }
    }

    private static unsafe void Write(Stream file, OperationList operations)
    {
        Write(file, (uint)operations.Count);
        file.Write(MemoryMarshal.AsBytes(new ReadOnlySpan<Operation>(operations.First, operations.Count)));
    }

    private static void Write(Stream file, uint number) => file.Write(BitConverter.GetBytes(number));
}

/// <summary>
/// A recorded game without an allocator: the same writes, to 64 places of 4 KiB that take turns, so that they are
/// always in a cache. What a replay takes beyond this is the allocator's work and the cache misses on its blocks.
/// <c>Native/replay.c</c> has the same.
/// </summary>
internal sealed unsafe class NullReplay : IReplayContestant<NullReplay, NullReplayAllocator, Address>
{
    // The places, and behind them address space for the last byte of the largest block; only what is written becomes
    // resident.
    private const nuint RoomBytes = (256 << 10) + (1 << 30);

    private readonly byte* _places = (byte*)NativeMemory.Alloc(RoomBytes);

    private NullReplay(Address[] slots) => Slots = slots;
    public static bool RehearsesLargeBlocks => false;
    public Address[] Slots { get; }

    public static NullReplay Create(TraceProfile profile, ScenePlan? plan, Address[] slots) =>
        profile.PeakLiveBytes <= 1 << 30
        ? new(slots)
        : throw new RunFailedException("The empty replay has room for blocks up to 1 GiB.");

    public NullReplayAllocator Open() => new(_places);
    public void Dispose() => NativeMemory.Free(_places);
}

/// <summary>The calls of a trace, answered with a place by the slot's number.</summary>
internal readonly unsafe struct NullReplayAllocator(byte* places) : IGameAllocator<Address>
{
    private const uint LastPlace = 63;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Address AllocateUncleared(nuint bytes, uint place) => new(places + ((place & LastPlace) << 12));

    public Address AllocateAligned(nuint bytes, byte alignmentShift, uint place) => AllocateUncleared(bytes, place);
    public Address AllocateZeroed(nuint bytes, uint place) => AllocateUncleared(bytes, place);
    public Address Reallocate(Address block, nuint oldBytes, nuint bytes, byte alignmentShift) => block;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Free(Address block, byte alignmentShift)
    {
    }

    public ref byte First(Address block, byte alignmentShift) => ref block.First;
}
