namespace Engine.Tests.Support;

/// <summary>What may be left of a memory that is disposed.</summary>
internal static class DisposedMemory
{
    /// <summary>All addresses are given back but those of the metadata heap that handles and lanes may still read, and these have no memory behind them.</summary>
    public static void AssertIsGone(EngineMemory memory)
    {
        if (!MemoryMap.IsReadable)
        {
            return;
        }

        nint kept = memory.Reservation.Heap.Address;
        nuint keptBytes = memory.Reservation.Heap.ResidentBytes;
        nint tail = kept + (nint)keptBytes;
        Assert.That(MemoryMap.CountWithin(memory.ReservationBase, (nuint)(kept - memory.ReservationBase)), Is.Zero, "the blocks and tables are given back");
        Assert.That(MemoryMap.CountWithin(tail, memory.ReservationBytes - (nuint)(tail - memory.ReservationBase)), Is.Zero, "what was never used is given back");
        Assert.That(MemoryMap.IsAccessible(kept) && MemoryMap.IsAccessible(tail - 1), Is.True, "handles and lanes can read");
        Assert.That(MemoryMap.ResidentWithin(kept, keptBytes), Is.Zero, "what they read has no memory behind it");
    }
}
