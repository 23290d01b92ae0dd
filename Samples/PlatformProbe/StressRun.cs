// Do pages stay? A prewarmed loop beside everything that the kernel can do to its pages.
using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using Samples.Common;
using SuperSlab;
using SuperSlab.Scenes;

namespace PlatformProbe;

/// <summary>What <c>--stress</c> does in place of the measurements.</summary>
internal static class StressRun
{
    private static readonly StayPolicy[] s_stays = [StayPolicy.None, StayPolicy.Lock, StayPolicy.Pin];
    private static Stressor? s_current;

    /// <summary>Runs each stressor beside each kind of pages that stay by each policy, and prints the table.</summary>
    /// <param name="seconds">How long each runs.</param>
    /// <returns>1 where pinned pages faulted.</returns>
    public static int Run(int seconds)
    {
        // Who interrupts it gets the settings put back as well.
        using var interrupted = PosixSignalRegistration.Create(PosixSignal.SIGINT, _ => s_current?.Dispose());
        using var terminated = PosixSignalRegistration.Create(PosixSignal.SIGTERM, _ => s_current?.Dispose());
        TextTable table = new(["", "", .. s_stays.Select(stay => $"stay: {EnumNames<StayPolicy>.Of(stay)}")]);
        List<string> notes = [];
        bool hasFailed = false;
        foreach (PageKind pages in (PageKind[])[PageKind.Normal, PageKind.TransparentHuge])
        {
            foreach (Func<Stressor> make in Stressor.All)
            {
                List<StressFaults> row = [.. s_stays.Select(stay => Measure(stay, pages, make, seconds))];
                string name;
                using (Stressor stressor = make())
                    name = stressor.Name;

                table.Add([name, EnumNames<PageKind>.Of(pages), .. row.Select(faults => faults.ToString())]);
                foreach (StressFaults faults in row)
                {
                    if (faults.Note.Length != 0 && !notes.Contains(faults.Note))
                        notes.Add(faults.Note);
                }

                hasFailed |= row[^1] is { IsPinned: true, Engine: > 0 };
            }
        }

        Console.Out.WriteLine(
            $"Faults of a prewarmed loop in {seconds} s: in the engine's memory "
            + "(of them on pages that were ready), and elsewhere.");
        Console.Out.Write(table);
        notes.ForEach(Console.Out.WriteLine);
        return hasFailed ? ExitCodes.Failure : ExitCodes.Success;
    }

    private static StressFaults Measure(StayPolicy stay, PageKind pages, Func<Stressor> make, int seconds)
    {
        using Stressor stressor = s_current = make();
        if (stressor.Prepare() is { } whyNot)
            return new StressFaults { Note = $"{stressor.Name}: {whyNot}" };

        using EngineMemory memory = new(
            new EngineMemoryOptions { Stay = stay, Pages = pages, Checks = MemoryChecks.Off });
        using StressLoop loop = new(memory);
        stressor.Aim(memory);
        return loop.Run(stressor, TimeSpan.FromSeconds(seconds));
    }
}

/// <summary>Frames in a prewarmed scene: old blocks are written, small ones come and go, a lane is filled.</summary>
internal sealed unsafe class StressLoop : IDisposable
{
    private const int WarmUpFrames = 300;
    private const int StrainMilliseconds = 20;
    private const int LargeBlocks = 12_000;
    private const int WrittenBlocks = 1000;
    private const nuint LaneBytes = 256 * 1024;

    private readonly EngineMemory _memory;
    private readonly Scene _scene;
    private readonly HotLoopGuard _guard;
    private readonly nint[] _large = new nint[LargeBlocks];
    private readonly nint[] _small = new nint[WrittenBlocks];
    private readonly SortedSet<string> _causes = [];
    private readonly Random _random = new(1);
    private long _moved;

    public StressLoop(EngineMemory memory)
    {
        _memory = memory;
        _scene = Scene.Load(memory, new ScenePlan
        {
            Name = "stress",
            FrameArena = new FrameArenaOptions { BytesPerLane = 2 * LaneBytes },
            Arenas = [new ArenaPlan { Blocks = [new(4096, LargeBlocks + 100), new(64, 20_000)] }],
        });
        HotLoopRule any = new(long.MaxValue);
        _guard = new HotLoopGuard(
            memory,
            new HotLoopRules
            {
                PageFaults = new(0, HotLoopAction.Callback),
                RuntimeFaults = any,
                HeapFaults = any,
                NativeFaults = any,
                ManagedBytes = any,
                Collections = any,
            },
            new HotLoopGuardOptions { OnViolation = Note });
        for (int index = 0; index < LargeBlocks; index++)
            *(int*)(_large[index] = (nint)_scene.Arena.Allocate(4096)) = index & 7;
    }

    public StressFaults Run(Stressor stressor, TimeSpan duration)
    {
        _guard.WarmUp(WarmUpFrames);
        for (int frame = 0; frame < WarmUpFrames; frame++)
            PlayFrame();

        using ManualResetEventSlim stop = new();
        Thread strain = new(() =>
        {
            while (!stop.Wait(StrainMilliseconds))
                stressor.Strain();
        });
        strain.Start();
        long start = Stopwatch.GetTimestamp();
        while (Stopwatch.GetElapsedTime(start) < duration)
            PlayFrame();

        stop.Set();
        strain.Join();
        return new StressFaults
        {
            IsMeasured = true,
            IsPlaced = _guard.Unplaced.Length == 0,
            IsPinned = _memory.PrefaultDescription.Contains("pins: ok", StringComparison.Ordinal),
            Engine = _guard.Total.EngineFaults,
            Moved = _moved,
            Elsewhere = _guard.Total.PageFaults - _guard.Total.EngineFaults,
            Note = _causes.Count == 0 ? "" : $"{stressor.Name}: the kernel's counters that rose: "
                + string.Join(", ", _causes),
        };
    }

    public void Dispose()
    {
        _guard.Dispose();
        _scene.Dispose();
    }

    private void PlayFrame()
    {
        _guard.BeginFrame();
        ArenaHandle handle = _scene.Arena.GetHandle();
        for (int index = 0; index < WrittenBlocks; index++)
            *(int*)(_small[index] = (nint)handle.Allocate(64)) = index;

        for (int index = 0; index < WrittenBlocks; index++)
        {
            *(int*)_large[_random.Next(LargeBlocks)] = index & 7;
            handle.Free((void*)_small[index]);
        }

        new Span<byte>(_scene.FrameArena.Lane(0).Allocate(LaneBytes), (int)LaneBytes).Fill(1);
        _scene.FrameArena.NextFrame();
        _guard.EndFrame();
    }

    private void Note(HotLoopViolation violation)
    {
        if (violation.KernelMoves is not { } moves)
            return;

        _moved += violation.Counts.EngineFaults;
        foreach (string cause in moves.Split(", ", StringSplitOptions.RemoveEmptyEntries))
            _causes.Add(cause.Split(' ')[0]);
    }
}

/// <summary>The faults of one loop.</summary>
internal sealed record StressFaults
{
    public bool IsMeasured { get; init; }

    /// <summary>Whether faults had addresses; otherwise all are counted as elsewhere.</summary>
    public bool IsPlaced { get; init; }

    /// <summary>Whether the pages were pinned indeed.</summary>
    public bool IsPinned { get; init; }

    /// <summary>Faults in the engine's memory.</summary>
    public long Engine { get; init; }

    /// <summary>Those of them that the guard told as moved by the kernel.</summary>
    public long Moved { get; init; }

    /// <summary>Faults of the loop's thread in other memory.</summary>
    public long Elsewhere { get; init; }

    /// <summary>Why it was not measured, or what the kernel counted.</summary>
    public string Note { get; init; } = "";

    /// <inheritdoc/>
    public override string ToString() => !IsMeasured ? "not here"
        : IsPlaced ? string.Create(CultureInfo.InvariantCulture, $"{Engine} ({Moved}), {Elsewhere}")
        : string.Create(CultureInfo.InvariantCulture, $"?, {Elsewhere}");
}
