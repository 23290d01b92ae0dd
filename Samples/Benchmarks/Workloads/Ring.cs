using System.Runtime.CompilerServices;
using Samples.Benchmarks.Contestants;

namespace Samples.Benchmarks.Workloads;

/// <summary>
/// A queue between one producer and one consumer, without locks: each side writes its own count and keeps a copy of the other's, which
/// it reads anew only when the ring seems full, or empty. (L. Lamport, "Specifying Concurrent Program Modules", 1983.)
/// </summary>
internal sealed class Ring<TBlock>
    where TBlock : struct, IBlock
{
    /// <summary>How many blocks the ring holds.</summary>
    public const int Capacity = 4096;

    private readonly TBlock[] _entries = new TBlock[Capacity];
    private RingCounts _counts;

    /// <summary>Makes a ring whose memory has been written.</summary>
    public Ring() => _entries.AsSpan().Clear();

    /// <summary>Adds a block; waits while the ring is full. For the producer.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Add(TBlock block)
    {
        long added = _counts.Added;
        if (added - _counts.TakenAsSeen == Capacity)
        {
            WaitForRoom();
        }

        _entries[(int)added & (Capacity - 1)] = block;
        Volatile.Write(ref _counts.Added, added + 1);
    }

    /// <summary>Takes the oldest block; waits while there is none. For the consumer.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public TBlock Take()
    {
        long taken = _counts.Taken;
        if (taken == _counts.AddedAsSeen)
        {
            WaitForBlock();
        }

        TBlock block = _entries[(int)taken & (Capacity - 1)];
        Volatile.Write(ref _counts.Taken, taken + 1);
        return block;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private void WaitForRoom()
    {
        var wait = default(RingWait);
        while (_counts.Added - (_counts.TakenAsSeen = Volatile.Read(ref _counts.Taken)) == Capacity)
        {
            wait.Once();
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private void WaitForBlock()
    {
        var wait = default(RingWait);
        while (_counts.Taken == (_counts.AddedAsSeen = Volatile.Read(ref _counts.Added)))
        {
            wait.Once();
        }
    }
}
