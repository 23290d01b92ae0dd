using Samples.Common;
using Samples.GameReplay.Learning;
using Samples.GameReplay.Rows;
using SuperSlab.Scenes;
using SuperSlab;

namespace Samples.GameReplay.Contestants;

/// <summary>An allocator that a trace is replayed on.</summary>
/// <typeparam name="TSelf">The contestant itself.</typeparam>
/// <typeparam name="TLane">Its way in for one thread.</typeparam>
internal interface IContestant<TSelf, TLane> : IDisposable
    where TSelf : IContestant<TSelf, TLane>
    where TLane : ILane, allows ref struct
{
    /// <summary>Whether the rehearsal is to include blocks of many megabytes, because they take code paths of their own.</summary>
    static abstract bool RehearsesLargeBlocks { get; }

    /// <summary>Calls to the operating system for memory so far; 0 where the allocator does not say.</summary>
    long OsCalls => 0;

    /// <summary>The engine's memory, where the allocator is the engine.</summary>
    EngineMemory? Memory => null;

    /// <summary>Where the allocator's memory begins, when it is one range; else 0.</summary>
    nint MemoryBase => 0;

    /// <summary>The length of that range.</summary>
    nuint MemoryBytes => 0;

    /// <summary>Resident bytes of the allocator's own tables; 0 where the allocator does not say.</summary>
    long MetadataBytes => 0;

    /// <summary>How long the prewarm took; 0 when there was none.</summary>
    long PrewarmNanoseconds => 0;

    /// <summary>Makes the allocator ready for a trace.</summary>
    /// <param name="profile">What the trace will need.</param>
    /// <param name="plan">What is prewarmed, by an allocator that can be; null prewarms nothing.</param>
    static abstract TSelf Create(TraceProfile profile, ScenePlan? plan);

    /// <summary>Begins a profile after the prewarm; null where none was asked for, or the allocator is not the engine.</summary>
    SampleProfile? BeginProfile(string? folder, bool attributesFaults) => null;

    /// <summary>Ends the profile after the last step and writes it.</summary>
    void EndProfile(SampleProfile profile) => profile.Write();

    /// <summary>The way in for the calling thread, until the next meeting.</summary>
    TLane OpenLane();

    /// <summary>How much of its plan the replay has used; null without a plan.</summary>
    PlanUse? PlanUse() => null;

    /// <summary>The plan that the replay should have had; null where there is no recording one.</summary>
    ScenePlan? RecordPlan() => null;
}
