using System.Diagnostics;

namespace SuperSlab;

/// <content>
/// Reserved SuperSlabs: addresses that nobody but the range they belong to takes, and without memory until the range
/// grows there. The bits of a whole range are set from its beginning to its end, whatever has memory, so what is given
/// back meanwhile stays the range's.
/// </content>
internal sealed unsafe partial class SuperSlabPool
{
    /// <summary>Reserves neighbouring SuperSlabs behind which there is no memory, the lowest ones.</summary>
    /// <returns>The first, or -1 where there is no such run, even after a trim.</returns>
    public int Reserve(int count)
    {
        int start = TryReserve(count);
        if (start < 0)
        {
            Shortage?.Invoke();
            TryTrim();
            start = TryReserve(count);
        }

        return start;
    }

    /// <summary>Ends a range: what is not an arena's is free for others.</summary>
    /// <param name="start">The range's first SuperSlab.</param>
    /// <param name="count">How many it has.</param>
    /// <param name="owned">How many of them, from the first on, an arena owns.</param>
    public void Unreserve(int start, int count, int owned)
    {
        Enter();
        Bitmap.Clear(_reserved, start, count);
        if (owned < count)
            SetFree(start + owned, count - owned);

        Exit();
    }

    /// <summary>Puts memory behind reserved SuperSlabs for the range's owner.</summary>
    /// <exception cref="EngineOutOfMemoryException">The system gave no memory. They are reserved as before.</exception>
    public void TakeReserved(int start, int count, Demand demand, PrefaultTask? task)
    {
        Enter();
        Debug.Assert(Bitmap.RunLength(_reserved, start, count, value: true) == count, "a range grows within itself");
        OwnedCount += count;
        Exit();
        MakeReady([(start, count)], demand, task);
        Own(start, count, demand.OwnerTag);
    }

    /// <summary>Gives the memory of reserved SuperSlabs back to the system; the addresses stay the range's.</summary>
    /// <exception cref="EngineMemoryException">The system refused: the memory stays until it is used
    /// again.</exception>
    public void GiveReserved(int start, int count)
    {
        for (int index = start; index < start + count; index++)
            _reservation.SuperSlabs[index] = _reservation.SuperSlabs[index].OfOwner(0);

        Enter();
        Bitmap.Clear(_ready, start, count);
        Exit();
        try
        {
            _os.Decommit(_reservation.AddressOf(start), (nuint)count << SlabGeometry.SuperSlabShift);
        }
        finally
        {
            Unclaim(start, count);
        }
    }

    private int TryReserve(int count)
    {
        Enter();
        int start = FindRun(_free, _reservation.SuperSlabCount, count);
        while (start >= 0 && Bitmap.RunLength(_ready, start, count, value: false) is var cold && cold < count)
            start = Bitmap.FindRun(_free, _free, start + cold + 1, _reservation.SuperSlabCount, count);

        if (start >= 0)
        {
            Bitmap.Clear(_free, start, count);
            Bitmap.Set(_reserved, start, count);
            _lowestFree = start == _lowestFree ? start + count : _lowestFree;
        }

        Exit();
        return start;
    }
}
