using System.Diagnostics;

namespace SuperSlab;

/// <summary>
/// A lock-free stack (Treiber's) of full magazines of one class in one word: a thread's stock, from which others take
/// too.
/// <code>
///   | index of the top magazine + 1, 26 bits | count, 10 bits | changes, 28 bits |      index 0: empty
/// </code>
/// The index counts magazines from the start of the metadata heap, which stays readable as long as the arena.
/// </summary>
/// <remarks>
/// Ordering: each change is a compare-and-swap, a full fence. So the thread that takes a magazine sees what was written
/// into it before it was pushed. A taker reads the links below the top without owning them, and uses them only if its
/// compare-and-swap succeeds. Then no thread changed the stack in between, since each change raises the last 28 bits:
/// to take a stack that looks the same and is not (the ABA problem), a taker would have to sleep through an exact
/// multiple of 268 million changes. No block is lost: a magazine is in the stack, or with the one thread whose
/// compare-and-swap took it.
/// </remarks>
internal readonly unsafe struct MagazineStock(ulong* word, nint heap)
{
    /// <summary>Above every limit.</summary>
    public const int MaximumCount = 512;

    private const int CountShift = 26;
    private const int ChangesShift = 36;
    private const ulong IndexMask = (1UL << CountShift) - 1;
    private const ulong CountMask = (1UL << (ChangesShift - CountShift)) - 1;

    private readonly ulong* _word = word;

    /// <summary>Magazines in the stack. Some moments old.</summary>
    public int Count => CountOf(Volatile.Read(ref *_word));

    /// <summary>Adds a magazine; false where <paramref name="limit"/> are there already.</summary>
    public bool TryPush(Magazine* magazine, int limit) => TryPush(magazine, magazine, 1, limit);

    /// <summary>Adds linked magazines, the first on top. False where they exceed the limit.</summary>
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

    /// <summary>Takes magazines from the top, linked; the last one's link is undefined.</summary>
    /// <param name="most">The most to take; 0, from a caller that found the stock empty, takes none.</param>
    /// <param name="count">How many were taken.</param>
    /// <returns>The top one, or null where the stack is empty.</returns>
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

    /// <summary>Whether this block was pushed last, at a moment when the top magazine was in the stack.</summary>
    public bool IsLast(nuint block)
    {
        ulong old = Volatile.Read(ref *_word);
        Magazine* top = At(old);
        return top != null && Volatile.Read(ref Magazine.FullTop(top)[-1]) == block && Volatile.Read(ref *_word) == old;
    }

    /// <summary>The top of <see cref="Count"/> linked magazines. Only while no other thread uses the arena.</summary>
    public Magazine* Top => At(*_word);

    /// <summary>Reads a link before the word is compared: while that is unchanged, the link is the stack's.</summary>
    private static Magazine* Below(Magazine* magazine) => (Magazine*)Volatile.Read(ref *(nint*)&magazine->Next);

    private static int CountOf(ulong word) => (int)((word >> CountShift) & CountMask);

    private Magazine* At(ulong word) =>
        (word & IndexMask) == 0 ? null : (Magazine*)(heap + (nint)(((word & IndexMask) - 1) * Magazine.Bytes));

    private bool TryChange(ulong old, Magazine* top, int count)
    {
        Debug.Assert(count is >= 0 and < 1 << (ChangesShift - CountShift), "the count fits in its bits");
        ulong index = count == 0 ? 0 : (ulong)((nint)top - heap) / Magazine.Bytes + 1;
        ulong changed = index | ((ulong)count << CountShift) | (((old >> ChangesShift) + 1) << ChangesShift);
        bool isChanged = Interlocked.CompareExchange(ref *_word, changed, old) == old;
        Debug.Assert(!isChanged || index <= IndexMask, "the index fits in its bits");
        return isChanged;
    }
}
