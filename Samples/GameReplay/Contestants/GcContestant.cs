using Samples.GameReplay.Learning;
using Samples.GameReplay.Rows;
using SuperSlab.Scenes;

namespace Samples.GameReplay.Contestants;

/// <summary>The garbage collector: every block is a <c>byte[]</c>, and freeing one is forgetting it.</summary>
internal sealed class GcContestant : IContestant<GcContestant, GcLane>
{
    private readonly byte[]?[] _arrays;

    private GcContestant(int slots)
    {
        _arrays = new byte[]?[Math.Max(slots, 1)];

        // Written once, so that using the table in a frame faults in nothing.
        Array.Fill(_arrays, []);
        Array.Clear(_arrays);
    }

    /// <inheritdoc/>
    public static bool RehearsesLargeBlocks => false;

    /// <inheritdoc/>
    public static GcContestant Create(TraceProfile profile, ScenePlan? plan) => new(profile.Slots);

    /// <inheritdoc/>
    public GcLane OpenLane() => new(_arrays);

    /// <inheritdoc/>
    public void Dispose() => Array.Clear(_arrays);
}
