using System.Runtime.CompilerServices;

namespace Samples.Benchmarks.Contestants;

/// <summary>A block of native memory.</summary>
internal readonly unsafe struct Address(void* start) : IBlock
{
    /// <summary>Where it begins.</summary>
    public void* Start
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => start;
    }

    /// <inheritdoc/>
    public bool IsNone
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => start == null;
    }

    /// <inheritdoc/>
    public ref byte First
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => ref *(byte*)start;
    }
}
