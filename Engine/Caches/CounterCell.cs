using System.Runtime.InteropServices;

namespace Engine.Caches;

/// <summary>
/// What was allocated and freed; each number only rises. Written by one thread, read by any: a read number is some moments old. The
/// order is what <see cref="ThreadCounters"/> counts by.
/// </summary>
[StructLayout(LayoutKind.Sequential)]
internal struct CounterCell
{
    public long Allocations;
    public long AllocatedBytes;
    public long Frees;
    public long FreedBytes;

    public readonly long LiveBytes => AllocatedBytes - FreedBytes;

    public void Add(in CounterCell other)
    {
        Allocations += other.Allocations;
        AllocatedBytes += other.AllocatedBytes;
        Frees += other.Frees;
        FreedBytes += other.FreedBytes;
    }
}
