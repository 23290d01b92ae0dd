using System.Runtime.CompilerServices;

namespace SuperSlab;

/// <summary>
/// Gives each thread that uses an arena a small number, process-wide: its slot, by which every arena finds the thread's cache.
/// When a thread has died, its slot goes to a new thread, and with it, in every arena, the cache and the blocks in it: adoption
/// is one number changing hands. Death is seen by asking the runtime whether the slot's thread is alive, so nothing waits for a
/// finalizer and no native hook is needed. A new thread asks for a few slots only, where the last one stopped asking, notes those whose
/// threads are dead, and takes the slot that was taken last, or the one that was noted last, or else a slot that nobody had. So its birth takes the same time however many
/// there are, and of the slots that were ever taken about one in eight more than threads lived at once. The lock orders the dead thread's
/// last writes before the adopter's first reads.
/// <para>
/// The fast paths find the caches of slots below <see cref="TableCount"/> in a table. There is no limit to slots but memory: threads with
/// higher ones look their cache up in a slow path, and are as fast as any by handle.
/// </para>
/// </summary>
internal static unsafe class ThreadSlots
{
    /// <summary>Slots are numbered from 1; entry 0 of a table is for threads whose cache does not stand there, the detached one.</summary>
    public const int TableCount = 1024;

    /// <summary>How many threads a new one asks whether they live.</summary>
    private const int MostAsked = 8;
    private const int PageSlots = 1024;

    // Two cache lines for each thread's words, since processors fetch lines in pairs; see ThreadCounters.
    private const int WordStride = 128 / sizeof(long);

    private static readonly Lock s_lock = new();
    private static Thread?[] s_owners = new Thread?[TableCount];
    private static nint[] s_words = [(nint)NewPage()];
    private static int s_end = 1;
    private static int s_nextAsked = 1;
    private static int s_lastTaken;
    private static readonly Stack<int> s_dead = new(TableCount);

    /// <summary>Which slots are noted as dead ones.</summary>
    private static bool[] s_isDead = new bool[TableCount];

    /// <summary>The calling thread's place in the arenas' tables: its slot, or 0 where it has none, or one above the tables.</summary>
    public static nint InTable
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => Place.InTable;
    }

    /// <summary>The calling thread's slot, or 0.</summary>
    public static int Current => Place.InTable != 0 ? (int)Place.InTable : Above.Slot;

    /// <summary>The slots below have been taken at some time.</summary>
    public static int End => Volatile.Read(ref s_end);

    /// <summary>The word that says which tag is in force on the calling thread, whose slot is taken now if it has none.</summary>
    public static nint* CurrentTag => TagOf(Take());

    /// <summary>The word of a slot's thread; see <see cref="ThreadCounters.OffsetOf"/>.</summary>
    public static nint* TagOf(int slot) => (nint*)Volatile.Read(ref s_words)[slot / PageSlots] + (slot % PageSlots * WordStride);

    /// <summary>How many slow paths the slot's thread is in. Written by it.</summary>
    public static nint* DepthOf(int slot) => TagOf(slot) + 1;

    /// <summary>The calling thread's slot, taken now if it has none; 0 where there is no memory for that.</summary>
    public static int Take() => Current is var slot and not 0 ? slot : TakeNew();

    /// <summary>The slot's thread, alive or not; null where nobody has had it.</summary>
    public static Thread? OwnerOf(int slot)
    {
        lock (s_lock)
            return slot < s_owners.Length ? s_owners[slot] : null;
    }

    /// <summary>
    /// Makes a dead thread's slot the caller's, so that nobody adopts it, until <see cref="GiveBack"/>. Null where its thread lives, or
    /// nobody had it, or it is borrowed.
    /// </summary>
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
            s_owners[slot] = dead;
    }

    /// <summary>
    /// Whether the slot's thread waits for something, by the runtime's own functions, outside of the arenas' slow paths: then it is not in the
    /// middle of an allocation or a free. Some moments old.
    /// </summary>
    public static bool Waits(int slot) =>
        OwnerOf(slot) is { IsAlive: true } thread && (thread.ThreadState & ThreadState.WaitSleepJoin) != 0 && Volatile.Read(ref *DepthOf(slot)) == 0;

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

            s_lastTaken = slot;
            s_owners[slot] = Thread.CurrentThread;
            *TagOf(slot) = ThreadCounters.OffsetOf(0);
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
            // One that was borrowed, or taken otherwise, is noted again later.
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

    /// <summary>
    /// Alone in a class without other statics: the JIT then reads it straight from the thread's local data instead of checking first
    /// whether the class's block is there.
    /// </summary>
    private static class Place
    {
        [ThreadStatic]
        public static nint InTable;
    }

    /// <summary>The slots of threads that have no place in the tables.</summary>
    private static class Above
    {
        [ThreadStatic]
        public static int Slot;
    }
}
