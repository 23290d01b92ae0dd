using System.Runtime.InteropServices;
using Samples.Common;
using Samples.GameReplay.Contestants;
using Samples.GameReplay.Learning;
using Samples.GameReplay.Rows;
using SuperSlab.Scenes;

namespace Samples.Benchmarks.Contestants;

/// <summary>
/// A recorded game without an allocator: the same writes, to 64 places of 4 KiB that take turns, so that they are always in a cache. What
/// a replay takes beyond this is the allocator's work and the cache misses on its blocks. <c>Native/replay.c</c> has the same.
/// </summary>
internal sealed unsafe class NullReplay : IContestant<NullReplay, NullReplayLane>
{
    /// <summary>The places, and behind them address space for the last byte of the largest block; only what is written becomes resident.</summary>
    private const nuint RoomBytes = (256 << 10) + (1 << 30);

    private readonly byte* _places = (byte*)NativeMemory.Alloc(RoomBytes);

    private NullReplay()
    {
    }

    /// <inheritdoc/>
    public static bool RehearsesLargeBlocks => false;

    /// <inheritdoc/>
    public static NullReplay Create(TraceProfile profile, ScenePlan? plan) =>
        profile.PeakLiveBytes <= 1 << 30 ? new() : throw new RunFailedException("The empty replay has room for blocks up to 1 GiB.");

    /// <inheritdoc/>
    public NullReplayLane OpenLane() => new(_places);

    /// <inheritdoc/>
    public void Dispose() => NativeMemory.Free(_places);
}
