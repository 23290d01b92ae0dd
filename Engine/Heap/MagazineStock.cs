namespace SuperSlab;

/// <summary>
/// A stack of full magazines of one class without a lock, in one word: each thread's stock, from which others take when they have none.
/// <code>
///   | index of the top magazine, 26 bits | count, 10 bits | changes, 28 bits |      a Treiber stack; 0 index: empty
/// </code>
/// The magazines lie in the metadata heap, which stays readable as long as the arena, and are named by their place in it.
/// Ordering: each change is a compare-and-swap, a full fence: what was written into a magazine before it was pushed is seen by the thread
/// that takes it. A taker reads the links below the top without owning them; that is of use only when its compare-and-swap succeeds, and
/// then nobody changed the stack, since each change raises the last 28 bits. A taker would have to sleep through exactly a multiple of
/// 268 million changes to take a stack that looks the same and is not (the ABA problem).
/// No block is lost: a magazine is in the stack, or with the one thread whose compare-and-swap took it out.
/// </summary>
internal readonly unsafe struct MagazineStock
{
    /// <summary>More than any limit.</summary>
    public const int MaximumCount = 512;

    private const int CountShift = 26;
    private const int ChangesShift = 36;
    private const ulong IndexMask = (1UL << CountShift) - 1;
    private const ulong CountMask = (1UL << (ChangesShift - CountShift)) - 1;

    private readonly ulong* _word;
    private readonly nint _heap;

    /// <param name="word">Where the stack stands.</param>
    /// <param name="heap">Where the metadata heap begins.</param>
    public MagazineStock(ulong* word, nint heap)
    {
        _word = word;
        _heap = heap;
    }

    /// <summary>How many magazines there are. Some moments old.</summary>
    public int Count => CountOf(Volatile.Read(ref *_word));

    /// <summary>Adds a magazine; false where there are <paramref name="limit"/> already.</summary>
    public bool TryPush(Magazine* magazine, int limit) => TryPush(magazine, magazine, 1, limit);

    /// <summary>Adds linked magazines, the first on top; false, and nothing has changed but the last one's link, where they are too many.</summary>
    public bool TryPush(Magazine* first, Magazine* last, int count, int limit)
    {
        while (true)
        {
            ulong old = Volatile.Read(ref *_word);
            if (CountOf(old) + count > limit)
                return false;

            last->Next = At(old);
            if (TryChange(old, first, CountOf(old) + count))
                return true;
        }
    }

    /// <summary>Takes the top magazine, or null.</summary>
    public Magazine* TryPop() => TryTake(1, out _);

    /// <summary>Takes magazines from the top, linked, the last one's link undefined.</summary>
    /// <param name="most">How many at most. Who found none a moment ago may ask for 0, and gets none.</param>
    /// <param name="count">How many were taken.</param>
    /// <returns>The top one, or null where there is none.</returns>
    public Magazine* TryTake(int most, out int count)
    {
        while (true)
        {
            ulong old = Volatile.Read(ref *_word);
            Magazine* first = At(old);
            count = Math.Min(most, CountOf(old));
            if (count == 0)
                return null;

            Magazine* rest = Below(first);
            int taken = 1;
            while (taken < count && Volatile.Read(ref *_word) == old)
            {
                rest = Below(rest);
                taken++;
            }

            if (taken == count && TryChange(old, rest, CountOf(old) - count))
                return first;
        }
    }

    /// <summary>Whether the block that was put in last is this one. The answer is of a moment at which the top magazine was in the stack.</summary>
    public bool IsLast(nuint block)
    {
        ulong old = Volatile.Read(ref *_word);
        Magazine* top = At(old);
        return top != null && Volatile.Read(ref Magazine.FullTop(top)[-1]) == block && Volatile.Read(ref *_word) == old;
    }

    /// <summary>The top magazine, for those who look while nobody else uses the arena; follow <see cref="Magazine.Next"/> <see cref="Count"/> times.</summary>
    public Magazine* Top => At(*_word);

    /// <summary>The link is read before the word is looked at again: while that is unchanged, the link leads to a magazine of the stack.</summary>
    private static Magazine* Below(Magazine* magazine) => (Magazine*)Volatile.Read(ref *(nint*)&magazine->Next);

    private static int CountOf(ulong word) => (int)((word >> CountShift) & CountMask);

    private Magazine* At(ulong word) => (word & IndexMask) == 0 ? null : (Magazine*)(_heap + (nint)(((word & IndexMask) - 1) * Magazine.Bytes));

    private bool TryChange(ulong old, Magazine* top, int count)
    {
        ulong index = count == 0 ? 0 : (ulong)((nint)top - _heap) / Magazine.Bytes + 1;
        ulong changed = index | ((ulong)count << CountShift) | (((old >> ChangesShift) + 1) << ChangesShift);
        return Interlocked.CompareExchange(ref *_word, changed, old) == old;
    }
}
