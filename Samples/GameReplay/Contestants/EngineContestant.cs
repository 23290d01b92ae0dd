using Samples.Common;
using Samples.GameReplay.Learning;
using Samples.GameReplay.Rows;
using SuperSlab.Scenes;
using SuperSlab;

namespace Samples.GameReplay.Contestants;

/// <summary>
/// The engine: one long-lived arena, in which a thread's lane is an <see cref="ArenaHandle"/>. With a plan it is the first arena of a
/// scene that was loaded by it; cold, it is a fresh arena that takes memory when it must.
/// </summary>
internal sealed class EngineContestant : IContestant<EngineContestant, EngineLane>
{
    private readonly AddressTable _addresses;
    private readonly EngineMemory _memory;
    private readonly Scene? _scene;
    private readonly LongLivedArena _arena;

    private EngineContestant(TraceProfile profile, ScenePlan? plan)
    {
        _addresses = new AddressTable(profile.Slots);
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

    /// <inheritdoc/>
    public EngineMemory? Memory => _memory;

    /// <inheritdoc/>
    public long OsCalls => _memory.OsCalls;

    /// <inheritdoc/>
    public nint MemoryBase => _memory.ReservationBase;

    /// <inheritdoc/>
    public nuint MemoryBytes => _memory.ReservationBytes;

    /// <inheritdoc/>
    public long MetadataBytes => (long)_memory.MetadataBytes;

    /// <inheritdoc/>
    public long PrewarmNanoseconds => (long)(_scene?.Report.Duration.TotalNanoseconds ?? 0);

    /// <inheritdoc/>
    public static EngineContestant Create(TraceProfile profile, ScenePlan? plan) => new(profile, plan);

    /// <inheritdoc/>
    public SampleProfile? BeginProfile(string? folder, bool attributesFaults)
    {
        SampleProfile? profile = SampleProfile.Begin(folder, _memory, attributesFaults: attributesFaults);
        if (_scene is not null)
        {
            profile?.Profiler.NoteLoad(_scene);
        }

        return profile;
    }

    /// <inheritdoc/>
    public void EndProfile(SampleProfile profile)
    {
        if (_scene is not null)
        {
            profile.Profiler.NoteUnload(_scene);
        }

        profile.Write();
    }

    /// <inheritdoc/>
    public unsafe EngineLane OpenLane() => new(_arena.GetHandle(), _addresses.First);

    /// <inheritdoc/>
    public PlanUse? PlanUse()
    {
        if (_scene is null)
        {
            return null;
        }

        long used = 0;
        foreach (ArenaPlan arena in _scene.Plan.Arenas)
        {
            foreach (BlockCount block in _scene.GetArena(arena.Name).PeakBlocks())
            {
                used += (long)block.Bytes * block.Count;
            }
        }

        return new PlanUse((long)_scene.Report.Bytes, used, _scene.Plan.Arenas.Count);
    }

    /// <inheritdoc/>
    public ScenePlan? RecordPlan()
    {
        if (_scene is null)
        {
            return null;
        }

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
