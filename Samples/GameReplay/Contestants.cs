// The allocators that a trace is replayed on: the shared ones, with what a replay needs besides.
using Samples.Common;
using Samples.GameReplay.Learning;
using Samples.GameReplay.Rows;
using SuperSlab;
using SuperSlab.Scenes;

namespace Samples.GameReplay;

/// <summary>An allocator that a trace is replayed on.</summary>
/// <typeparam name="TSelf">The contestant itself.</typeparam>
/// <typeparam name="TAllocator">Its way in for one thread, until the next meeting.</typeparam>
/// <typeparam name="TBlock">What it hands out.</typeparam>
internal interface IReplayContestant<TSelf, TAllocator, TBlock> : IContestant<TAllocator>, IDisposable
    where TSelf : IReplayContestant<TSelf, TAllocator, TBlock>
    where TAllocator : struct, IGameAllocator<TBlock>, allows ref struct
    where TBlock : struct, IBlock
{
    /// <summary>
    /// Whether the rehearsal includes blocks of many megabytes, because they take code paths of their own.
    /// </summary>
    static abstract bool RehearsesLargeBlocks { get; }

    /// <summary>The live blocks by slot, written once: using them in a frame faults in nothing.</summary>
    TBlock[] Slots { get; }

    /// <summary>Calls to the operating system for memory so far; 0 where the allocator does not say.</summary>
    long OsCalls => 0;

    /// <summary>The engine's memory, where the allocator is the engine.</summary>
    EngineMemory? Memory => null;

    /// <summary>How long the prewarm took; 0 when there was none.</summary>
    long PrewarmNanoseconds => 0;

    /// <summary>Makes the allocator ready for a trace.</summary>
    /// <param name="profile">What the trace will need.</param>
    /// <param name="plan">What is prewarmed, by an allocator that can be; null prewarms nothing.</param>
    /// <param name="slots">Where the live blocks will stand.</param>
    static abstract TSelf Create(TraceProfile profile, ScenePlan? plan, TBlock[] slots);

    /// <summary>What is written into slots before their use.</summary>
    static virtual TBlock Filler => default;

    /// <summary>
    /// Begins a profile after the prewarm; null where none was asked for, or the allocator is not the engine.
    /// </summary>
    SampleProfile? BeginProfile(string? folder, bool attributesFaults) => null;

    /// <summary>Ends the profile after the last step and writes it.</summary>
    void EndProfile(SampleProfile profile) => profile.Write();

    /// <summary>How much of its plan the replay has used; null without a plan.</summary>
    PlanUse? PlanUse() => null;

    /// <summary>The plan that the replay should have had; null where there is no recording one.</summary>
    ScenePlan? RecordPlan() => null;
}

/// <summary>
/// The engine: one long-lived arena, of which each thread has a handle. With a plan it is the first arena of a scene
/// that was loaded by it; cold, it is a fresh arena that takes memory when it must.
/// </summary>
internal sealed class EngineContestant : IReplayContestant<EngineContestant, HandleAllocator, Address>
{
    private readonly EngineMemory _memory;
    private readonly Scene? _scene;
    private readonly LongLivedArena _arena;

    private EngineContestant(ScenePlan? plan, Address[] slots)
    {
        Slots = slots;
        _memory = new EngineMemory();
        try
        {
            _scene = plan is null ? null : Scene.Load(_memory, plan);
            _arena = _scene?.Arena ?? _memory.CreateLongLivedArena("replay");
        }
        catch
        {
            _memory.Dispose();
            throw;
        }
    }

    /// <summary>Yes: extents are cut and joined by code that small blocks never reach.</summary>
    public static bool RehearsesLargeBlocks => true;

    public Address[] Slots { get; }
    public EngineMemory? Memory => _memory;
    public long OsCalls => _memory.OsCalls;
    public long PrewarmNanoseconds => (long)(_scene?.Report.Duration.TotalNanoseconds ?? 0);
    public static EngineContestant Create(TraceProfile profile, ScenePlan? plan, Address[] slots) => new(plan, slots);
    public HandleAllocator Open() => new(_arena.GetHandle());

    public SampleProfile? BeginProfile(string? folder, bool attributesFaults)
    {
        SampleProfile? profile = SampleProfile.Begin(folder, _memory, attributesFaults: attributesFaults);
        profile?.FrameMeaning =
            "The sample's table has other times: those of the replayed work alone, added up over its threads, without "
            + "the waits for each other; and medians of all repeats.";
        if (_scene is not null)
            profile?.Profiler.NoteLoad(_scene);

        return profile;
    }

    public void EndProfile(SampleProfile profile)
    {
        if (_scene is not null)
            profile.Profiler.NoteUnload(_scene);

        profile.Write();
    }

    public PlanUse? PlanUse()
    {
        if (_scene is null)
            return null;

        long used = 0;
        foreach (ArenaPlan arena in _scene.Plan.Arenas)
        {
            LongLivedArena played = _scene.GetArena(arena.Name);
            if (arena.TogetherSuperSlabCount != 0)
                used += (long)nuint.Min(played.PeakUsedBytes, (nuint)arena.TogetherSuperSlabCount << 21);
            else
                used += played.PeakBlocks().Sum(block => (long)block.Bytes * block.Count);
        }

        return new PlanUse((long)_scene.Report.Bytes, used, _scene.Plan.Arenas.Count);
    }

    public ScenePlan? RecordPlan()
    {
        if (_scene is null)
            return null;

        SceneRecorder recorder = new();
        recorder.Add(_scene);
        return recorder.Plan();
    }

    /// <summary>Unloads the scene with whatever lives in it, as a game leaves a level.</summary>
    public void Dispose()
    {
        _scene?.Dispose();
        _memory.Dispose();
    }
}

/// <summary>The C library's allocator.</summary>
internal sealed class MallocContestant : IReplayContestant<MallocContestant, NativeMemoryAllocator, Address>
{
    private MallocContestant(Address[] slots) => Slots = slots;

    /// <summary>
    /// No: freeing one would raise the size from which glibc asks the system for a mapping, before the game does.
    /// </summary>
    public static bool RehearsesLargeBlocks => false;

    public Address[] Slots { get; }
    public static MallocContestant Create(TraceProfile profile, ScenePlan? plan, Address[] slots) => new(slots);
    public NativeMemoryAllocator Open() => default;

    /// <summary>The blocks still live are left to the end of the process, as the game left them.</summary>
    public void Dispose()
    {
    }
}

/// <summary>The garbage collector: every block is a <c>byte[]</c>, and freeing one is forgetting it.</summary>
internal sealed class GcContestant : IReplayContestant<GcContestant, GcAllocator, ArrayBlock>
{
    private GcContestant(ArrayBlock[] slots) => Slots = slots;
    public static bool RehearsesLargeBlocks => false;
    public ArrayBlock[] Slots { get; }
    public static ArrayBlock Filler => new([]);
    public static GcContestant Create(TraceProfile profile, ScenePlan? plan, ArrayBlock[] slots) => new(slots);
    public GcAllocator Open() => default;
    public void Dispose() => Array.Clear(Slots);
}
