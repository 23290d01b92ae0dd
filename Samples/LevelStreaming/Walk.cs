// The walk through the levels, and its figures.
using System.Diagnostics;
using System.Globalization;
using Samples.Common;
using SuperSlab;
using SuperSlab.Scenes;

namespace Samples.LevelStreaming;

/// <summary>
/// The walk: level after level of the ring, each loaded two levels ahead while the frames of another go on, and
/// unloaded behind. A rehearsal through the whole ring goes before, in which all code runs for the first time and
/// nothing is counted.
/// </summary>
internal sealed class Walk<TStore, TAnimal>(
    ILevelSource<TStore> source, HotLoopGuard guard, WorkerPool pool, WalkOptions options,
    SampleProfile? profile = null)
    where TStore : ILevelStore<TAnimal>
{
    private const int Ahead = 2;
    private const int RehearsalFrames = 12;
    private readonly int _ring = LevelSpec.Ring.Length;
    private LevelFigures[] _figures = [];
    private uint _checksum;
    private long _waitedTicks;
    private long _lastFaults;
    private long _faultsBetweenFrames;

    /// <summary>Null in the rehearsal.</summary>
    private SampleProfile? _profile;

    /// <summary>Rehearses, walks, and tells.</summary>
    public RowDocument Run(string row, string prefault)
    {
        guard.WarmUp(int.MaxValue);
        WalkThrough(_ring + Ahead, RehearsalFrames * (_ring + Ahead), RehearsalFrames);
        guard.WarmUp(0);
        _profile = profile;

        int perVisit = Math.Clamp(options.Frames / (2 * _ring), 10, 250);
        int visits = (options.Frames + perVisit - 1) / perVisit;
        _faultsBetweenFrames = 0;
        long moved = PagesMoved();
        long process = BeginCounting();
        WalkThrough(visits, options.Frames, perVisit);
        process = EndCounting() - process;
        moved = PagesMoved() - moved;
        List<LevelDocument> levels = [];
        for (int ring = 0; ring < Math.Min(_ring, visits); ring++)
            levels.Add(_figures[ring].Document(LevelSpec.Ring[ring].Name, source.LoadOf(ring)));

        return new RowDocument
        {
            Row = row,
            Prefault = prefault,
            Seed = options.Seed,
            Frames = options.Frames,
            Checksum = _checksum,
            Violations = guard.ViolationCount,
            FirstViolation = guard.FirstViolation is { } first
                ? first + (first.CallStack is null ? "" : " " + first.CallStack)
                : null,

            // A fault that the loader's thread takes while it begins to wait is counted with its next load.
            ProcessFaultsInFrames = Math.Max(0, process - _faultsBetweenFrames),
            PagesMovedByKernel = moved,
            MillisecondsWaited = _waitedTicks * 1000.0 / Stopwatch.Frequency,
            GuardNanosecondsPerFrame = GuardCost(),
            Levels = levels,
        };
    }

    /// <summary>
    /// Pages that the kernel moved so far on the whole machine; the next touch of each faults, in the runtime's memory
    /// too, which no plan can keep.
    /// </summary>
    private static long PagesMoved()
    {
        const string Counters = "/proc/vmstat";
        long moved = 0;
        foreach (string line in File.Exists(Counters) ? File.ReadLines(Counters) : [])
        {
            if (line.Split(' ') is ["pgmigrate_success" or "thp_collapse_alloc" or "pswpout", string count])
                moved += long.Parse(count, CultureInfo.InvariantCulture);
        }

        return moved;
    }

    /// <summary>
    /// The faults so far, less the loader's. The process is read before the parts that are taken from it, and after
    /// them at the end: no part has a fault that the whole lacks. It is done again until the reading itself, whose code
    /// may be new, faults no more.
    /// </summary>
    private long BeginCounting()
    {
        const int MostTries = 16;
        long process = 0;
        long loader = 0;
        for (int attempt = 0; attempt < MostTries && process != PageFaults.OfProcess(); attempt++)
        {
            EndCounting();
            process = PageFaults.OfProcess();
            loader = source.LoaderFaults;
            _lastFaults = PageFaults.OfThread();
        }

        return process - loader;
    }

    private long EndCounting()
    {
        long loader = source.LoaderFaults;
        return PageFaults.OfProcess() - loader;
    }

    private void WalkThrough(int visits, int frames, int perVisit)
    {
        _figures = new LevelFigures[_ring];
        for (int ring = 0; ring < _ring; ring++)
            _figures[ring] = new LevelFigures(perVisit * ((visits / _ring) + 1));

        _checksum = 2166136261;
        _waitedTicks = 0;
        for (int ahead = 0; ahead < Math.Min(Ahead, visits); ahead++)
            source.Prepare(ahead % _ring);

        for (int visit = 0; visit < visits; visit++)
        {
            int next = visit + Ahead < visits ? (visit + Ahead) % _ring : -1;
            Visit(visit, Math.Min(perVisit, frames - (visit * perVisit)), next, isLast: visit == visits - 1);
        }

        source.Settle();
        _faultsBetweenFrames += PageFaults.OfThread() - _lastFaults;
    }

    private void Visit(int visit, int frames, int next, bool isLast)
    {
        int ring = visit % _ring;
        long start = Stopwatch.GetTimestamp();
        TStore store = source.Enter(ring);
        _waitedTicks += Stopwatch.GetTimestamp() - start;
        Level<TStore, TAnimal> level = new(LevelSpec.Ring[ring], store, options.Seed + (uint)(visit * 7919));
        for (int frame = 0; frame < frames; frame++)
            Frame(level, _figures[ring], frame == 0 ? next : -1);

        _checksum = (_checksum * 16777619) ^ level.Checksum();
        _figures[ring].Born += level.Born;
        _figures[ring].MostAnimals = Math.Max(_figures[ring].MostAnimals, level.Count);
        if (_profile is not null)
        {
            _profile.Profiler.NoteSpan("levels", LevelSpec.Ring[ring].Name, start, Stopwatch.GetTimestamp());
            source.Note(ring, _profile.Profiler);
            if (isLast)
            {
                WriteProfile(_profile); // while there is a level to see in it
            }
        }

        level.Clear();
        source.Leave(ring);
    }

    private void Frame(Level<TStore, TAnimal> level, LevelFigures figures, int prepare)
    {
        _faultsBetweenFrames += PageFaults.OfThread() - _lastFaults;
        long violations = guard.ViolationCount;
        long start = Stopwatch.GetTimestamp();
        _profile?.BeginFrame();
        guard.BeginFrame();
        if (prepare >= 0)
            source.Prepare(prepare);

        level.Step(pool);
        guard.EndFrame();
        _profile?.EndFrame(guard.LastFrame);
        long ticks = Stopwatch.GetTimestamp() - start;
        _lastFaults = PageFaults.OfThread();
        figures.Add(ticks, guard.LastFrame, guard.ViolationCount != violations);
    }

    /// <summary>No frame runs meanwhile, so the faults of the threads that help with it are not the frames'.</summary>
    private void WriteProfile(SampleProfile profile)
    {
        long others = FaultsOfOthers();
        profile.Write();
        _faultsBetweenFrames += FaultsOfOthers() - others;
    }

    private long FaultsOfOthers() => PageFaults.OfProcess() - PageFaults.OfThread() - source.LoaderFaults;

    /// <summary>
    /// What a frame without anything in it costs under the guard, on this thread, in nanoseconds: the best of many
    /// short runs, so that what else the machine does is not in it.
    /// </summary>
    private double GuardCost()
    {
        const int Rounds = 50;
        double best = double.MaxValue;
        for (int run = 0; run < 2000; run++)
        {
            long start = Stopwatch.GetTimestamp();
            for (int round = 0; round < Rounds; round++)
            {
                guard.BeginFrame();
                guard.EndFrame();
            }

            best = Math.Min(best, Stopwatch.GetElapsedTime(start).TotalNanoseconds / Rounds);
        }

        return best;
    }
}

/// <summary>What the frames of one level took. Made before the frames, so that keeping it costs them nothing.</summary>
internal sealed class LevelFigures
{
    private readonly long[] _ticks;
    private int _frames;
    private long _violations;
    private HotLoopCounts _counts;

    public LevelFigures(int frames)
    {
        _ticks = new long[frames];
        _ticks.AsSpan().Fill(-1);
    }

    public long Born { get; set; }

    /// <summary>Animals and remains at the end of a visit, the most of all visits.</summary>
    public int MostAnimals { get; set; }

    public void Add(long ticks, HotLoopCounts counts, bool isViolation)
    {
        _ticks[_frames++] = ticks;
        _counts += counts;
        _violations += isViolation ? 1 : 0;
    }

    public LevelDocument Document(string name, (double Milliseconds, long Bytes) load)
    {
        Span<long> sorted = _ticks.AsSpan(0, _frames);
        sorted.Sort();
        return new LevelDocument
        {
            Level = name,
            PrewarmMilliseconds = load.Milliseconds,
            Bytes = load.Bytes,
            Frames = _frames,
            Born = Born,
            Animals = MostAnimals,
            P50Microseconds = Microseconds(Statistics.Percentile(sorted, 50)),
            P99Microseconds = Microseconds(Statistics.Percentile(sorted, 99)),
            MaxMicroseconds = Microseconds(Statistics.Percentile(sorted, 100)),
            PageFaults = _counts.PageFaults,
            OsCalls = _counts.OsCalls,
            ManagedBytes = _counts.ManagedBytes,
            Collections = _counts.Collections,
            FrameOverflows = _counts.FrameOverflows,
            Violations = _violations,
        };
    }

    private static double Microseconds(long ticks) => Math.Round(ticks * 1e6 / Stopwatch.Frequency, 1);
}
