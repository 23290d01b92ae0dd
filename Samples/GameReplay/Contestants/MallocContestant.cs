using Samples.Common;
using Samples.GameReplay.Learning;
using Samples.GameReplay.Rows;
using SuperSlab.Scenes;

namespace Samples.GameReplay.Contestants;

/// <summary>The C library's allocator, through <see cref="System.Runtime.InteropServices.NativeMemory"/>.</summary>
internal sealed unsafe class MallocContestant : IContestant<MallocContestant, MallocLane>
{
    private readonly AddressTable _addresses;

    private MallocContestant(int slots) => _addresses = new AddressTable(slots);

    /// <summary>No: freeing one would raise the size from which glibc asks the system for a mapping, before the game does.</summary>
    public static bool RehearsesLargeBlocks => false;

    /// <inheritdoc/>
    public static MallocContestant Create(TraceProfile profile, ScenePlan? plan) => new(profile.Slots);

    /// <inheritdoc/>
    public MallocLane OpenLane() => new(_addresses.First);

    /// <summary>The blocks still live are left to the end of the process, as the game left them.</summary>
    public void Dispose()
    {
    }
}
