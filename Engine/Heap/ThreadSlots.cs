using System.Runtime.CompilerServices;
using Debug = System.Diagnostics.Debug;

namespace SuperSlab;

/// <summary>
/// Gives each thread that uses an arena a small number, its slot, by which every arena of the process finds its cache.
/// </summary>
/// <remarks>
/// A dead thread's slot goes to a new thread, and with it the cache in every arena and the blocks in that: adoption
/// changes one number. The runtime says whether a slot's thread lives, so nothing waits for a finalizer and no native
/// hook is needed. A new thread asks about a few slots, from where the last one stopped, and notes the dead. It takes
/// the slot taken last if that is dead, else the one noted last, else a fresh one. So a birth takes the same time
/// however many slots there are, and about one slot in eight more is used than threads lived at once. The lock orders
/// the dead thread's last writes before the adopter's first reads.
/// <para>
/// The fast paths find the caches of slots below <see cref="TableCount"/> in a table. Only memory limits the slots:
/// threads with higher ones find their cache in a slow path, and are as fast as any by handle.
/// </para>
/// </remarks>
internal static unsafe class ThreadSlots
{
    /// <summary>Slots count from 1; entry 0 of a table, the detached cache, serves threads without an entry.</summary>
    public const int TableCount = 1024;

    /// <summary>How many slots a new thread asks about.</summary>
    private const int MostAsked = 8;
    private const int PageSlots = 1024;

    // Each thread's words have two cache lines, because processors fetch lines in pairs; see ThreadCounters.
    private const int WordStride = 128 / sizeof(long);

    private static readonly Lock s_lock = new();
    private static Thread?[] s_owners = new Thread?[TableCount];
    private static nint[] s_words = [(nint)NewPage()];
    private static int s_end = 1;
    private static int s_nextAsked = 1;
    private static int s_lastTaken;
    private static readonly Stack<int> s_dead = new(TableCount);

    /// <summary>Whether a slot is noted in <see cref="s_dead"/>.</summary>
    private static bool[] s_isDead = new bool[TableCount];

    /// <summary>The calling thread's entry in the arenas' tables: its slot, or 0 where it has none there.</summary>
    public static nint InTable
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => Place.InTable;
    }

    /// <summary>The calling thread's slot, or 0.</summary>
    public static int Current => Place.InTable != 0 ? (int)Place.InTable : Above.Slot;

    /// <summary>All slots ever taken lie below.</summary>
    public static int End => Volatile.Read(ref s_end);

    /// <summary>The calling thread's word for its tag; takes a slot if the thread has none.</summary>
    public static nint* CurrentTag => TagOf(Take());

    /// <summary>A slot's word for its thread's tag; see <see cref="ThreadCounters.OffsetOf"/>.</summary>
    public static nint* TagOf(int slot) =>
        (nint*)Volatile.Read(ref s_words)[slot / PageSlots] + (slot % PageSlots * WordStride);

    /// <summary>How many slow paths the slot's thread is in; written by that thread.</summary>
    public static nint* DepthOf(int slot) => TagOf(slot) + 1;

    /// <summary>The calling thread's slot, taken now if it has none; 0 where there is no memory for one.</summary>
    public static int Take() => Current is var slot and not 0 ? slot : TakeNew();

    /// <summary>The slot's thread, alive or dead; null where no thread had it.</summary>
    public static Thread? OwnerOf(int slot)
    {
        lock (s_lock)
            return slot < s_owners.Length ? s_owners[slot] : null;
    }

    /// <summary>Lends a dead thread's slot to the caller, so that none adopts it; null for other slots.</summary>
    public static Thread? TryBorrow(int slot)
    {
        lock (s_lock)
        {
            Thread? dead = s_owners[slot];
            if (dead is null or { IsAlive: true })
                return null;

            s_owners[slot] = Thread.CurrentThread;
            return dead;
        }
    }

    public static void GiveBack(int slot, Thread dead)
    {
        lock (s_lock)
        {
            Debug.Assert(s_owners[slot] == Thread.CurrentThread && !dead.IsAlive, "the slot was lent to this thread");
            s_owners[slot] = dead;
        }
    }

    /// <summary>
    /// Whether the slot's thread waits, in the runtime or for a <see cref="WaitNumber"/>, and not in a slow path. Some
    /// moments old.
    /// </summary>
    public static bool Waits(int slot) =>
        OwnerOf(slot) is { IsAlive: true } thread
        && ((thread.ThreadState & ThreadState.WaitSleepJoin) != 0 || Volatile.Read(ref *WaitingOf(slot)) != 0)
        && Volatile.Read(ref *DepthOf(slot)) == 0;

    /// <summary>Notes, on the slot's thread, that it waits for a <see cref="WaitNumber"/>; slot 0 has no note.</summary>
    public static void SetWaiting(int slot, bool waits)
    {
        if (slot != 0)
            Volatile.Write(ref *WaitingOf(slot), waits ? 1 : 0);
    }

    /// <summary>Where the stack of the slot's thread begins and ends; both 0 until that thread asked for it.</summary>
    public static nint* StackOf(int slot) => TagOf(slot) + 3;

    private static nint* WaitingOf(int slot) => TagOf(slot) + 2;

    private static int TakeNew()
    {
        lock (s_lock)
        {
            int slot = FindDead();
            if (slot == 0)
            {
                slot = s_end;
                if (!TryMakeRoom(slot))
                    return 0;

                Volatile.Write(ref s_end, slot + 1);
            }

            Debug.Assert(s_owners[slot] is not { IsAlive: true }, "only a dead thread's slot has a new owner");
            s_lastTaken = slot;
            s_owners[slot] = Thread.CurrentThread;
            *TagOf(slot) = ThreadCounters.OffsetOf(0);
            StackOf(slot)[0] = StackOf(slot)[1] = 0;
            Interlocked.MemoryBarrier();
            Place.InTable = slot < TableCount ? slot : 0;
            Above.Slot = slot < TableCount ? 0 : slot;
            return slot;
        }
    }

    private static int FindDead()
    {
        for (int asked = 0; asked < Math.Min(MostAsked, s_end - 1); asked++)
        {
            int slot = s_nextAsked < s_end ? s_nextAsked : 1;
            s_nextAsked = slot + 1;
            if (!s_isDead[slot] && s_owners[slot] is { IsAlive: false })
            {
                s_isDead[slot] = true;
                s_dead.Push(slot);
            }
        }

        if (s_owners[s_lastTaken] is { IsAlive: false })
            return s_lastTaken;

        while (s_dead.TryPop(out int dead))
        {
            // A slot that is lent, or was taken another way, is noted again later.
            s_isDead[dead] = false;
            if (s_owners[dead] is { IsAlive: false })
                return dead;
        }

        return 0;
    }

    private static bool TryMakeRoom(int slot)
    {
        try
        {
            if (slot == s_isDead.Length)
            {
                s_dead.EnsureCapacity(2 * slot);
                Array.Resize(ref s_owners, 2 * slot);
                Array.Resize(ref s_isDead, 2 * slot);
            }

            if (slot / PageSlots == s_words.Length)
                Volatile.Write(ref s_words, [.. s_words, (nint)NewPage()]);

            return true;
        }
        catch (OutOfMemoryException)
        {
            return false;
        }
    }

    private static nint* NewPage() => (nint*)ThreadCache.Permanent(PageSlots * WordStride * sizeof(long));

    /// <summary>A class without other statics, whose field the JIT reads without a check for a static block.</summary>
    private static class Place
    {
        [ThreadStatic]
        public static nint InTable;
    }

    /// <summary>The slots of threads that have no entry in the tables.</summary>
    private static class Above
    {
        [ThreadStatic]
        public static int Slot;
    }
}
