using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Runtime.ExceptionServices;
using System.Text;

namespace SuperSlab.Scenes;

/// <summary>
/// A loaded scene: its arenas, prewarmed by its plan. The load pays for every page and OS call, so that the frames do
/// not. A load that fails or is cancelled leaves nothing behind.
/// </summary>
public sealed class Scene : IDisposable
{
    private readonly EngineMemory _memory;
    private readonly FrameArena? _frame;
    private readonly LongLivedArena[] _arenas;
    private bool _disposed;

    internal Scene(
        EngineMemory memory, ScenePlan plan, FrameArena? frame, LongLivedArena[] arenas, PrewarmReport report)
    {
        _memory = memory;
        Plan = plan;
        _frame = frame;
        _arenas = arenas;
        Report = report;
    }

    /// <summary>The plan that the scene was loaded by.</summary>
    public ScenePlan Plan { get; }

    /// <summary>The plan's first long-lived arena. <see cref="GetArena"/> gives the others.</summary>
    /// <exception cref="InvalidOperationException">The plan has no long-lived arena.</exception>
    public LongLivedArena Arena => _arenas.Length != 0
        ? _arenas[0]
        : throw new InvalidOperationException($"The plan of scene '{Plan.Name}' has no long-lived arena.");

    /// <summary>Memory that lives for a frame.</summary>
    /// <exception cref="InvalidOperationException">The plan has no frame arena.</exception>
    public FrameArena FrameArena =>
        _frame ?? throw new InvalidOperationException($"The plan of scene '{Plan.Name}' has no frame arena.");

    /// <summary>The long-lived arenas, in the plan's order.</summary>
    internal ReadOnlySpan<LongLivedArena> Arenas => _arenas;

    internal bool IsDisposed => _disposed;

    /// <summary>What the load did.</summary>
    public PrewarmReport Report { get; }

    /// <summary>
    /// Loads a scene: makes its arenas, and reserves, commits, prefaults and carves what its plan asks for. Any thread;
    /// not in the hot loop. Nothing is left behind where it throws.
    /// </summary>
    /// <param name="memory">Gives the scene its memory.</param>
    /// <param name="plan">What the scene needs.</param>
    /// <param name="options">How it is loaded. Null takes the defaults.</param>
    /// <exception cref="ScenePlanException">The plan is not valid.</exception>
    /// <exception cref="EngineOutOfMemoryException">Memory is short, or a hard budget forbids it.</exception>
    /// <exception cref="OperationCanceledException">The load was cancelled.</exception>
    /// <exception cref="EngineMemoryException">The system refused something other than memory.</exception>
    /// <exception cref="ObjectDisposedException">The memory is disposed.</exception>
    public static Scene Load(EngineMemory memory, ScenePlan plan, SceneLoadOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(memory);
        ArgumentNullException.ThrowIfNull(plan);
        options ??= new SceneLoadOptions();
        ArgumentOutOfRangeException.ThrowIfNegative(options.PrefaultThreadCount);
        plan.Validate();
        using WorkGate.Entry work = memory.Work.Enter(memory);
        using var linked = CancellationTokenSource.CreateLinkedTokenSource(options.Cancellation, memory.Work.Closing);
        try
        {
            IProgress<double>? progress = memory.Work.Mind(options.Progress);
            return new SceneLoad(memory, plan, options with { Cancellation = linked.Token, Progress = progress }).Run();
        }
        catch (OperationCanceledException) when (memory.Work.HasCancelled(options.Cancellation))
        {
            throw new ObjectDisposedException(
                nameof(EngineMemory), $"The memory was disposed while scene '{plan.Name}' was loaded.");
        }
    }

    /// <summary>
    /// Loads a scene on a thread of its own and of the lowest priority, beside another scene's hot loop. For many
    /// loads, and to begin one without garbage, see <see cref="BackgroundLoader"/>.
    /// </summary>
    /// <param name="memory">Gives the scene its memory.</param>
    /// <param name="plan">What the scene needs.</param>
    /// <param name="options">How it is loaded. Null prefaults with one thread.</param>
    /// <returns>The scene. An await throws what <see cref="Load"/> would throw.</returns>
    public static Task<Scene> LoadAsync(EngineMemory memory, ScenePlan plan, SceneLoadOptions? options = null)
    {
        SceneLoadOptions chosen = options ?? new SceneLoadOptions { PrefaultThreadCount = 1 };
        return Task.Factory.StartNew(
            () =>
            {
                ThisPlatform.LowerThreadPriority();
                return Load(memory, plan, chosen);
            },
            chosen.Cancellation,
            TaskCreationOptions.LongRunning | TaskCreationOptions.DenyChildAttach,
            TaskScheduler.Default);
    }

    /// <summary>The arena of a name in the plan. Take it once, at level load.</summary>
    /// <exception cref="ArgumentException">The plan has no arena of that name.</exception>
    public LongLivedArena GetArena(string name)
    {
        for (int index = 0; index < _arenas.Length; index++)
        {
            if (Plan.Arenas[index].Name == name)
                return _arenas[index];
        }

        string names = string.Join(", ", Array.ConvertAll([.. Plan.Arenas], arena => $"'{arena.Name}'"));
        throw new ArgumentException(
            $"Scene '{Plan.Name}' has no arena '{name}'; it has {(names.Length == 0 ? "none" : names)}.", nameof(name));
    }

    /// <summary>Unloads the scene like <see cref="Dispose"/>, and reports what was left in it.</summary>
    /// <inheritdoc cref="Dispose"/>
    /// <exception cref="ObjectDisposedException">The scene is unloaded already.</exception>
    public UnloadReport Unload()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        long start = Stopwatch.GetTimestamp();
        int superSlabs = _frame?.SuperSlabCount ?? 0;
        List<ArenaLeaks> leaks = [];
        try
        {
            foreach (LongLivedArena arena in _arenas)
            {
                superSlabs += arena.IsDisposed ? 0 : arena.SuperSlabCount;
                AddLeaks(arena, leaks);
            }
        }
        catch
        {
            DisposeQuietly();
            throw;
        }

        Dispose();
        nuint heldBytes = (nuint)superSlabs * SlabGeometry.SuperSlabBytes;
        return new UnloadReport(Plan.Name, heldBytes, Stopwatch.GetElapsedTime(start), leaks);
    }

    /// <summary>
    /// Unloads the scene: disposes its arenas with all that lives in them. Their memory goes back to the system, except
    /// what the plan retains. No other thread uses the scene any more. A second call does nothing.
    /// </summary>
    /// <exception cref="EngineMemoryException">
    /// The system refused to take memory back. The scene is unloaded all the same.
    /// </exception>
    /// <exception cref="EngineOutOfMemoryException">
    /// With full checks: the system refused to open a guard page. The scene is unloaded all the same.
    /// </exception>
    public void Dispose()
    {
        if (_disposed)
            return;

        _disposed = true;
        _memory.RaiseRetained(Plan.RetainBytes);
        try
        {
            DisposeAll([.. _arenas, _frame]);
        }
        finally
        {
            _memory.LetTablesGo(_memory.PrefaulterFor(Plan.Choice));
        }
    }

    /// <summary>Disposes all parts, whatever one of them throws; throws the first exception at the end.</summary>
    [SuppressMessage("Design", "CA1031", Justification = "Whatever one part throws, the others are disposed.")]
    internal static void DisposeAll(ReadOnlySpan<IDisposable?> parts)
    {
        Exception? first = null;
        foreach (IDisposable? part in parts)
        {
            try
            {
                part?.Dispose();
            }
            catch (Exception refused)
            {
                first ??= refused;
            }
        }

        if (first is not null)
            ExceptionDispatchInfo.Throw(first);
    }

    [SuppressMessage("Design", "CA1031", Justification = "The exception that came first is on its way.")]
    private void DisposeQuietly()
    {
        try
        {
            Dispose();
        }
        catch (Exception)
        {
            // The exception that came first says more.
        }
    }

    /// <summary>Adds what lives in an arena, unless its user disposed of it.</summary>
    private static void AddLeaks(LongLivedArena arena, List<ArenaLeaks> leaks)
    {
        IReadOnlyList<BlockCount> blocks = arena.IsDisposed ? [] : arena.LiveBlocks();
        if (blocks.Count != 0)
            leaks.Add(new ArenaLeaks(arena.Name, blocks, arena.LiveAllocations()));
    }
}

/// <summary>What a prewarm did.</summary>
/// <param name="Bytes">SuperSlab bytes that the scene's arenas hold, all resident.</param>
/// <param name="Duration">How long it took.</param>
/// <param name="OsCalls">Calls to the operating system's memory functions that it took.</param>
/// <param name="Prefault">The policies tried, with reasons.</param>
public sealed record PrewarmReport(nuint Bytes, TimeSpan Duration, long OsCalls, string Prefault)
{
    /// <summary>Bytes made ready in a second.</summary>
    public double BytesPerSecond => Duration == TimeSpan.Zero ? 0 : Bytes / Duration.TotalSeconds;

    /// <summary>"24 MiB in 3.2 ms (7.32 GiB/s), 14 OS calls; THP: ok; ...".</summary>
    public override string ToString() =>
        $"{Sizes.Text(Bytes)} in {Times.Text(Duration)} ({Sizes.Text((nuint)BytesPerSecond)}/s), "
        + $"{Sizes.Count(OsCalls, "OS call", "OS calls")}; {Prefault}";
}

/// <summary>
/// What an unload did and found. Blocks that still live go with their scene. That is normal where a game throws a level
/// away; where it means to free everything itself, they are its leaks. Immutable; any thread.
/// </summary>
/// <param name="Scene">The scene's name.</param>
/// <param name="HeldBytes">SuperSlab bytes that the scene's arenas held.</param>
/// <param name="Duration">How long the unload took.</param>
/// <param name="Leaks">The arenas in which blocks still lived.</param>
public sealed record UnloadReport(string Scene, nuint HeldBytes, TimeSpan Duration, IReadOnlyList<ArenaLeaks> Leaks)
{
    /// <summary>Whether no block was left.</summary>
    public bool IsClean => Leaks.Count == 0;

    /// <summary>The report in lines: an arena, then its blocks with what is known of their allocation.</summary>
    public override string ToString()
    {
        StringBuilder text = new();
        text.Append($"Scene '{Scene}' held {Sizes.Text(HeldBytes)} and was unloaded in {Times.Text(Duration)}; ");
        text.Append(IsClean ? "nothing was left in it." : "left in it:");
        foreach (ArenaLeaks leaks in Leaks)
        {
            text.AppendLine().Append($"  arena '{leaks.Arena}': {Sizes.Count(leaks.Count, "block", "blocks")}, ");
            text.Append(Sizes.Exact(leaks.Bytes));
            foreach (BlockCount block in leaks.Allocations.Count == 0 ? leaks.Blocks : [])
                text.AppendLine().Append($"    {Sizes.Number(block.Count)} of {Sizes.Exact(block.Bytes)}");

            foreach (LiveAllocation block in leaks.Allocations)
            {
                text.AppendLine().Append($"    {Sizes.Number(block.Count)} of {Sizes.Exact(block.Bytes)}, ");
                text.Append(block.Tag ?? "without a tag");
                text.Append(block.CallStack is null ? "" : Environment.NewLine + block.CallStack);
            }
        }

        return text.ToString();
    }
}

/// <summary>What still lived in one arena when its scene was unloaded. Immutable; any thread.</summary>
/// <param name="Arena">The arena's name.</param>
/// <param name="Blocks">The blocks by the size of their class.</param>
/// <param name="Allocations">The blocks by requested size, tag and call stack; empty without tracking.</param>
public sealed record ArenaLeaks(
    string Arena, IReadOnlyList<BlockCount> Blocks, IReadOnlyList<LiveAllocation> Allocations)
{
    /// <summary>The number of blocks.</summary>
    public long Count => Sum(Blocks, block => block.Count);

    /// <summary>The bytes of the blocks, rounding to size classes included.</summary>
    public nuint Bytes => (nuint)Sum(Blocks, block => (long)block.Bytes * block.Count);

    private static long Sum(IReadOnlyList<BlockCount> blocks, Func<BlockCount, long> of)
    {
        long sum = 0;
        foreach (BlockCount block in blocks)
            sum += of(block);

        return sum;
    }
}
