using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;
using Samples.Common;
using Samples.Soak.Load;
using SuperSlab;
using SuperSlab.Diagnostics;
using SuperSlab.Scenes;

namespace Samples.Soak;

/// <summary>
/// One run: ticks like a game's, on this thread, beside the workers and the loader; in between, looks at everything
/// that must hold. It ends early when something does not.
/// </summary>
internal sealed unsafe class SoakRun : IDisposable
{
    /// <summary>What the process's own noise may come to: the managed heap, code that is compiled late.</summary>
    private const long NoiseBytes = 8 << 20;

    /// <summary>What a profile's rings and tables, and the code that fills them, take after the first floor.</summary>
    private const long ProfileBytes = 24 << 20;

    /// <summary>
    /// What goes up and down with memory that the system was made to refuse to take back: it stays resident until it is
    /// used again.
    /// </summary>
    private const long NotTakenBackBytes = 8 << 20;

    /// <summary>Of fewer, growth cannot be told from noise.</summary>
    private const int LeastFloors = 4;

    private const int SuperSlabBytes = 2 << 20;
    private const int DriftsInRun = 12;
    private static readonly AllocationTag ChurnTag = AllocationTag.Register("churn");
    private static readonly AllocationTag LevelsTag = AllocationTag.Register("levels");

    private readonly SoakOptions _options;
    private readonly TimeSpan _tickEvery;
    private readonly SizeDrift? _drift;
    private readonly Action<string> _print;
    private readonly Random _random;
    private readonly Verdict _verdict = new();
    private readonly FailingSystem? _system;
    private readonly EngineMemory _memory;
    private readonly SampleProfile? _profile;
    private readonly LongLivedArena _world;
    private readonly FrameArena _frameArena;
    private readonly Churn _churn;
    private readonly Exchange _exchange;
    private readonly Frames _frames;
    private readonly Workers _workers;
    private readonly BackgroundLoader _loader;
    private readonly Level[] _levels;
    private readonly List<long> _tickNanoseconds = [];
    private readonly List<SoakRow> _rows = [];
    private readonly List<long> _floors = [];
    private readonly List<SoakLull> _lulls = [];
    private byte[] _snapshotRoom = new byte[1 << 20];
    private long _ticks;
    private long _faultsBefore;
    private long _osCallsBefore;

    public SoakRun(SoakOptions options, Action<string> print)
    {
        _options = options;
        _print = print;
        _random = new Random(options.Seed);
        _tickEvery = TimeSpan.FromMilliseconds(options.Drifts ? 16 : 5);
        _drift = options.Drifts ? new SizeDrift((int)(options.Seconds / _tickEvery.TotalSeconds / DriftsInRun)) : null;
        _system = FailingSystem.IsSupported ? new FailingSystem() : null;
        _memory = new EngineMemory(new EngineMemoryOptions { ReservationBytes = 1 << 30, NativeContext = _system });
        _profile = SampleProfile.Begin(options.Profile, _memory, countsPageFaults: true);
        _profile?.FrameMeaning = "The sample's table has the ticks of one report's time in each row.";
        _world = _memory.CreateLongLivedArena("world");
        if (options.Drifts)
            _world.Budget = new ArenaBudget { StockBytes = 16 << 20 };

        _frameArena = _memory.CreateFrameArena(
            "frame", new FrameArenaOptions { BytesPerLane = 512 * 1024, LaneCount = 2, OverflowSuperSlabs = 1 });
        _churn = new Churn(_world, _random, _verdict, limitBytes: (options.Drifts ? 64u : 32u) << 20, _drift);
        _exchange = new Exchange(_world);
        _frames = new Frames(_frameArena, _random, _verdict);
        _workers = new Workers(_memory, _exchange, _verdict, _random, _drift);
        _loader = new BackgroundLoader(_memory, threadCount: 2);
        _levels =
            [.. Enumerable.Range(1, 3).Select(number => new Level(_loader, $"level {number}", _random, _verdict))];
    }

    [SuppressMessage("Design", "CA1031", Justification = "Whatever it is, the run ends with it as a violation.")]
    public SoakDocument Run()
    {
        _print($"soak: {_options.Seconds} seconds, seed {_options.Seed}; OS calls are "
            + $"{(_system is null ? "not " : "")}made to fail\n");
        _print(SoakTable.Head);
        try
        {
            RunTicks();
            _profile?.Write();
            if (_verdict.IsClean)
                TakeDown();
        }
        catch (Exception fault)
        {
            _verdict.Add(fault is RunFailedException ? fault.Message : $"{fault.GetType().Name}: {fault.Message}");
        }

        return Judge();
    }

    public void Dispose()
    {
        _workers.Dispose();
        _profile?.Dispose();
        if (_verdict.IsClean)
        {
            _loader.Dispose();
            _memory.Dispose();
        }
    }

    private void RunTicks()
    {
        // In a short run all is looked at more often, so that a test of some seconds sees all of it, also on a busy
        // machine.
        TimeSpan reportEvery = TimeSpan.FromSeconds(Math.Clamp(_options.Seconds / 12.0, 0.5, 10));
        (int reportsToFloor, int leastReports) = _options.Seconds < 120 ? (2, LeastFloors * 2) : (6, 0);
        using Interruption interruption = new();
        Stopwatch clock = Stopwatch.StartNew();
        bool GoesOn(int report) => clock.Elapsed.TotalSeconds < _options.Seconds || report <= leastReports;
        for (int report = 1; GoesOn(report) && !interruption.IsRequested; report++)
        {
            _tickNanoseconds.Clear();
            while (clock.Elapsed < report * reportEvery && _verdict.IsClean && !interruption.IsRequested)
                Tick();

            if (!_verdict.IsClean)
                return;

            Report((int)clock.Elapsed.TotalSeconds);
            if (report % reportsToFloor != 0)
                continue;

            if (_options.Drifts)
                MeasureLull((int)clock.Elapsed.TotalSeconds);
            else
                MeasureFloor();
        }
    }

    private void Tick()
    {
        long start = Stopwatch.GetTimestamp();
        _profile?.BeginFrame();
        if (_random.Next(20) == 0)
            FailingSystem.FailSoon(_random);

        _drift?.Tick();
        _workers.Tick();
        _frames.Tick();
        using (ChurnTag.Begin())
        {
            _churn.Run(200, _exchange);
        }

        _exchange.Free(50);
        using (LevelsTag.Begin())
        {
            foreach (Level level in _levels)
                level.Tick();
        }

        _profile?.EndFrame();
        TimeSpan taken = Stopwatch.GetElapsedTime(start);
        _tickNanoseconds.Add((long)taken.TotalNanoseconds);
        _ticks++;
        if (taken < _tickEvery)
            Thread.Sleep(_tickEvery - taken);
    }

    private void Report(int second)
    {
        switch (_options.Sabotage)
        {
            case Sabotage.Corruption:
                _churn.Corrupt();
                break;
            case Sabotage.Leak:
                _churn.Lose();
                break;
            case Sabotage.Growth:
                new Span<byte>(NativeMemory.Alloc(8 << 20), 8 << 20).Fill(1);
                break;
        }

        FailingSystem.Heal();
        _workers.WhileResting(() =>
        {
            _rows.Add(Row(second));
            _print(SoakTable.Line(_rows[^1]));
            CheckContents();
        });
    }

    private SoakRow Row(int second)
    {
        long[] ticks = [.. _tickNanoseconds];
        Array.Sort(ticks);
        nuint inWorldAndLevels = _churn.LiveBytes + _levels.Aggregate(
            (nuint)0, (bytes, level) => bytes + level.LiveBytes);
        long live = (long)(inWorldAndLevels + _workers.LiveBytes) + _exchange.Bytes;
        long owned = (long)_memory.OwnedSuperSlabCount * SuperSlabBytes;
        long frame = (long)_frameArena.SuperSlabCount * SuperSlabBytes;
        long faults = PageFaults.OfProcess();
        long osCalls = _memory.OsCalls;
        SoakRow row = new()
        {
            Second = second,
            ResidentBytes = ResidentMemory.Bytes(),
            LiveBytes = live,
            OwnedBytes = owned,
            FragmentationPercent = owned == frame ? 0 : 100 * Math.Max(0, 1 - ((double)live / (owned - frame))),
            PageFaults = faults - _faultsBefore,
            OsCalls = osCalls - _osCallsBefore,
            TickP50Nanoseconds = Statistics.Percentile(ticks, 50),
            TickP99Nanoseconds = Statistics.Percentile(ticks, 99),
            TickMaxNanoseconds = Statistics.Percentile(ticks, 100),
        };
        (_faultsBefore, _osCallsBefore) = (faults, osCalls);
        return row;
    }

    private void CheckContents()
    {
        _churn.Check();
        _exchange.Check();
        _frames.Check();
        _workers.Check();
        foreach (Level level in _levels)
            level.Check();
    }

    /// <summary>Frees everything, and looks at what is left.</summary>
    private void MeasureFloor()
    {
        EndTransients();
        using (ChurnTag.Begin())
        {
            _churn.FreeAll();
        }

        if (_world.LiveBlocks() is { Count: > 0 } left)
        {
            throw new RunFailedException(
                $"everything was freed, and yet {FigureText.Count(left[0].Count, "block")} of "
                + $"{FigureText.ExactBytes((long)left[0].Bytes)} live");
        }

        TrimAll();
        if (_memory.OwnedSuperSlabCount != _world.SuperSlabCount + _frameArena.SuperSlabCount)
        {
            throw new RunFailedException(
                $"{_memory.OwnedSuperSlabCount} SuperSlabs are owned, and not only by the arenas that are left: "
                + $"{Owners()}");
        }

        GC.Collect();
        GC.WaitForPendingFinalizers();
        GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        _floors.Add(ResidentMemory.Bytes());
        _print(SoakTable.Floor(_floors[^1]));
    }

    /// <summary>Ends all but the world, and looks at what its live blocks cost once most were replaced.</summary>
    private void MeasureLull(int second)
    {
        EndTransients();
        using (ChurnTag.Begin())
        {
            _churn.Run(4 * _churn.Count);
        }

        TrimAll();
        MemorySnapshot snapshot;
        while (!MemorySnapshot.TryTake(_memory, _snapshotRoom, out snapshot, out int needed))
            _snapshotRoom = new byte[2 * needed];

        _lulls.Add(new SoakLull(second, (long)_churn.LiveBytes, ResidentMemory.Bytes(), snapshot.Use));
        _print(SoakTable.Lull(_lulls[^1]));
    }

    private void EndTransients()
    {
        FailingSystem.Heal();
        _workers.End();
        foreach (Level level in _levels)
            level.End();

        _exchange.Free(int.MaxValue);
        _frames.Trim();
    }

    private void TrimAll()
    {
        _world.Trim();
        _memory.Trim();
        _memory.Validate();
    }

    private string Owners()
    {
        if (!MemorySnapshot.TryTake(_memory, _snapshotRoom, out MemorySnapshot snapshot, out int needed))
            return $"a snapshot of them would take {FigureText.Bytes(needed)}";

        List<string> owners = [];
        foreach (ref readonly ArenaRow arena in snapshot.Arenas)
            owners.Add($"arena '{arena.Name}' {arena.SuperSlabCount}");

        return string.Join(", ", owners);
    }

    private void TakeDown()
    {
        MeasureFloor();
        nint start = _memory.ReservationBase;
        nuint bytes = _world.MaximumBytes;
        _world.Dispose();
        _frameArena.Dispose();
        _loader.Dispose();
        _memory.Trim();
        long absent = _memory.PagesThatWouldFault(start, bytes);
        long resident = absent < 0 ? 0 : ((long)bytes / Environment.SystemPageSize) - absent;
        if (_memory.OwnedSuperSlabCount + _memory.ReadySuperSlabCount != 0
            || (resident != 0 && _verdict.NotTakenBack == 0))
        {
            throw new RunFailedException(
                $"after all arenas are gone {_memory.OwnedSuperSlabCount} SuperSlabs are owned, "
                + $"{_memory.ReadySuperSlabCount} ready, and {resident} pages resident");
        }

        _memory.Dispose();
    }

    private SoakDocument Judge()
    {
        // The first floor is that of a process which is still getting its code and its heap.
        long growth = (long)Slope.Rise(CollectionsMarshal.AsSpan(_floors)[Math.Min(1, _floors.Count)..]);
        long injected = FailingSystem.Failures;
        long notTakenBack = _verdict.NotTakenBack == 0 ? 0 : NotTakenBackBytes;
        long allowed = NoiseBytes + (_profile is null ? 0 : ProfileBytes) + notTakenBack;
        if (growth > allowed)
            _verdict.Add($"with everything freed, resident memory grew by {FigureText.Bytes(growth)} over the run");

        if (_verdict.Refusals > injected)
        {
            _verdict.Add(
                $"the engine had no memory {FigureText.Count(_verdict.Refusals, "time")}, and only "
                + $"{FigureText.Count(injected, "OS call")} were made to fail");
        }

        SoakDocument result = new()
        {
            Seconds = _options.Seconds,
            Seed = _options.Seed,
            Rows = _rows,
            FloorBytes = _floors,
            FloorGrowthBytes = growth,
            Lulls = _lulls,
            Ticks = _ticks,
            ThreadsBorn = _workers.Births,
            ScenesLoaded = _levels.Sum(level => level.Loads),
            FailuresInjected = injected,
            Refusals = _verdict.Refusals,
            Violations = _verdict.Violations(),
        };
        if (_floors.Count != 0)
            _print(SoakTable.Summary(result));

        return result;
    }
}
