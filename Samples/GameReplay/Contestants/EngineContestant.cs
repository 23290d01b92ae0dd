using Engine;
using Engine.Arenas;
using Engine.Scenes;
using Samples.Common;
using Samples.GameReplay.Learning;

namespace Samples.GameReplay.Contestants;

/// <summary>
/// The engine: one long-lived arena, in which a thread's lane is an <see cref="ArenaHandle"/>. Prewarmed, it is loaded as a
/// scene whose plan says what the trace will need; cold, it is a fresh arena that takes memory when it must.
/// </summary>
internal sealed class EngineContestant : IContestant<EngineContestant, EngineLane>
{
    private readonly AddressTable _addresses;
    private readonly EngineMemory _memory;
    private readonly Scene? _scene;
    private readonly LongLivedArena _arena;

    private EngineContestant(TraceProfile profile, bool prewarm)
    {
        _addresses = new AddressTable(profile.Slots);
        _memory = new EngineMemory();
        try
        {
            _scene = prewarm ? Scene.Load(_memory, ReplayPlan.For(profile)) : null;
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
    public long OsCalls => _memory.OsCalls;

    /// <inheritdoc/>
    public nint MemoryBase => _memory.ReservationBase;

    /// <inheritdoc/>
    public nuint MemoryBytes => _memory.ReservationBytes;

    /// <inheritdoc/>
    public long MetadataBytes => (long)_memory.MetadataBytes;

    /// <inheritdoc/>
    public long PrewarmNanoseconds => _scene?.Report.Nanoseconds ?? 0;

    /// <inheritdoc/>
    public static EngineContestant Create(TraceProfile profile, bool prewarm) => new(profile, prewarm);

    /// <inheritdoc/>
    public unsafe EngineLane OpenLane() => new(_arena.GetHandle(), _addresses.First);

    /// <summary>Unloads the scene with whatever lives in it, as a game leaves a level.</summary>
    public void Dispose()
    {
        _scene?.Dispose();
        _memory.Dispose();
    }
}
