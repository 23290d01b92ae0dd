namespace SuperSlab;

/// <content>Pages that move, where the system can: an extent grows, or the reserve fills one.</content>
internal sealed unsafe partial class SuperSlabPool
{
    /// <summary>
    /// Takes SuperSlabs and moves the pages of an extent there. The extent's own SuperSlabs, now without memory, stay
    /// the caller's, who moves their description and then gives them back. Only where prefaulting would be needed
    /// anyway: memory of the reserve is taken without an OS call and copied to.
    /// </summary>
    /// <returns>The first SuperSlab, or -1 where no room is left, the reserve has some, or pages cannot move.</returns>
    /// <exception cref="EngineOutOfMemoryException">The system gave no memory for the longer part.</exception>
    /// <exception cref="EngineMemoryException">The system failed half-way through the move.</exception>
    public int TakeWithPagesOf(int from, int fromCount, int count, Demand demand)
    {
        Enter();
        int start = FindRun(_ready, _end, count) >= 0 ? -1 : FindRun(_free, _reservation.SuperSlabCount, count);
        bool isCold = start >= 0 && Bitmap.RunLength(_ready, start, fromCount, value: false) == fromCount;
        if (isCold)
            MarkClaimed(start, count);

        Exit();
        if (!isCold)
            return -1;

        bool isMoved = false;
        try
        {
            Prefault([(start + fromCount, count - fromCount)], demand, task: null);
            EnsureTables(start + count);

            // The last step happens whole or not at all. The old addresses stay accessible, empty until prefaulted
            // anew.
            nuint bytes = (nuint)fromCount << SlabGeometry.SuperSlabShift;
            isMoved = _os.TryMovePages(_reservation.AddressOf(from), _reservation.AddressOf(start), bytes);
        }
        finally
        {
            if (!isMoved)
                Unclaim(start, count);
        }

        if (!isMoved)
            return -1;

        for (int index = 0; index < fromCount; index++)
            Describe(start + index, _reservation.SuperSlabs[from + index].Pages);

        Enter();
        Bitmap.Set(_ready, start, fromCount);
        Bitmap.Clear(_ready, from, fromCount);
        Exit();
        Own(start, count, demand.OwnerTag);
        return start;
    }

    /// <summary>Moves pages of the reserve to those of a claimed range that are not ready, as far as they go.</summary>
    private void FillFromReserve(int start, int count, Demand demand)
    {
        EnsureTables(start + count);
        int moved = 1;
        for (int index = start; index < start + count && moved != 0; index += moved)
        {
            bool ready = Bitmap.IsSet(_ready, index);
            moved = Bitmap.RunLength(_ready, index, start + count - index, ready);
            if (!ready)
                moved = MoveFromReserve(index, moved, demand);
        }
    }

    /// <summary>Moves the pages of one run of the reserve to claimed SuperSlabs.</summary>
    /// <returns>How many moved; 0 where the reserve is empty or the system cannot.</returns>
    private int MoveFromReserve(int to, int most, Demand demand)
    {
        Enter();
        int count = TakeHighest(_ready, most, out int from);
        Exit();
        if (count == 0)
            return 0;

        bool? isMoved = null;
        try
        {
            Observer?.Invoke(demand, count);
            nuint bytes = (nuint)count << SlabGeometry.SuperSlabShift;
            isMoved = _os.TryMovePages(_reservation.AddressOf(from), _reservation.AddressOf(to), bytes);
        }
        finally
        {
            for (int index = 0; isMoved == true && index < count; index++)
                Describe(to + index, _reservation.SuperSlabs[from + index].Pages);

            // After a failure half-way nobody knows what is ready.
            Enter();
            if (isMoved is { } known)
                Bitmap.Set(_ready, known ? to : from, count);

            SetFree(from, count);
            Exit();
        }

        return isMoved == true ? count : 0;
    }
}
