namespace Engine.Profiling;

/// <summary>How much <see cref="FaultAttribution"/> may hold. Immutable.</summary>
public sealed record FaultAttributionOptions
{
    /// <summary>
    /// The memory into which the kernel writes one thread's faults until they are collected, a few milliseconds later: a power of two
    /// from 64 KiB to 64 MiB; a fault takes 32 bytes and 8 more for each caller. Where the system grants less, half of it is taken, and so
    /// on. Faults that find no room are counted as lost.
    /// </summary>
    public nuint RingBytes { get; init; } = 2 << 20;

    /// <summary>How many callers of the faulting instruction are recorded to find a call site by, itself included: 1 to 8.</summary>
    public int Callers { get; init; } = 5;

    /// <summary>How many frames, and how many faults, the table by frame can look back on. The table by owner always has all.</summary>
    public int KeptFrames { get; init; } = 1 << 16;

    /// <summary>See <see cref="KeptFrames"/>.</summary>
    public int KeptFaults { get; init; } = 1 << 20;

    /// <exception cref="ArgumentOutOfRangeException">An option is out of its range.</exception>
    internal void Validate()
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(RingBytes, (nuint)(64 * 1024), nameof(RingBytes));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(RingBytes, (nuint)(64 << 20), nameof(RingBytes));
        if (!nuint.IsPow2(RingBytes))
        {
            throw new ArgumentOutOfRangeException(nameof(RingBytes), RingBytes, $"A ring of {RingBytes} bytes was asked for; it must be a power of two.");
        }

        ArgumentOutOfRangeException.ThrowIfLessThan(Callers, 1, nameof(Callers));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(Callers, Platform.FaultSample.MaximumCallers, nameof(Callers));
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(KeptFrames, nameof(KeptFrames));
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(KeptFaults, nameof(KeptFaults));
    }
}
