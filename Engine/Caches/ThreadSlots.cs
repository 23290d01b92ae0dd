using System.Runtime.CompilerServices;
using Engine.Core;

namespace Engine.Caches;

/// <summary>
/// Gives each thread that uses an arena a small number, process-wide: its slot, by which every arena finds the thread's cache.
/// When a thread has died, its slot goes to the next new thread, and with it, in every arena, the cache and the blocks in it: adoption
/// is one number changing hands. Death is seen by asking the runtime whether the slot's thread is alive, so nothing waits for a
/// finalizer and no native hook is needed. The lock orders the dead thread's last writes before the adopter's first reads.
/// </summary>
internal static unsafe class ThreadSlots
{
    /// <summary>Slots are numbered from 1; slot 0 is a thread that has none yet, for which every arena has the detached cache.</summary>
    public const int Count = 1024;

    private const int TagStride = 64 / sizeof(long);

    private static readonly Thread?[] s_owners = new Thread?[Count];
    private static readonly Lock s_lock = new();

    // A cache line for each thread's word; see ThreadCounters.
    private static readonly nint* s_tags = (nint*)ThreadCache.Permanent(Count * TagStride * sizeof(long));
    private static int s_end = 1;

    /// <summary>The calling thread's slot, or 0.</summary>
    public static nint Current
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => Slot.Current;
    }

    /// <summary>The slots below have been taken at some time.</summary>
    public static int End => Volatile.Read(ref s_end);

    /// <summary>The word that says which tag is in force on the calling thread, whose slot is taken now if it has none.</summary>
    public static nint* CurrentTag
    {
        get
        {
            nint slot = Current;
            return TagOf(slot != 0 ? (int)slot : Take());
        }
    }

    /// <summary>The word of a slot's thread; see <see cref="ThreadCounters.OffsetOf"/>.</summary>
    public static nint* TagOf(int slot) => s_tags + (slot * TagStride);

    /// <summary>The calling thread's slot, taken now if it has none.</summary>
    /// <exception cref="EngineMemoryException">More threads than slots are alive.</exception>
    public static int Take() => TryTake() is var slot and not 0 ? slot : throw new EngineMemoryException(
        $"{Count - 1} living threads already use arenas, which is the most for what needs a place of each thread; a thread that ends makes room for another.");

    /// <summary>The same, but 0 where more threads than slots are alive: such a thread works without a cache of its own.</summary>
    public static int TryTake()
    {
        if (Slot.Current != 0)
        {
            return (int)Slot.Current;
        }

        lock (s_lock)
        {
            for (int slot = 1; slot < Count; slot++)
            {
                if (s_owners[slot] is not { IsAlive: true })
                {
                    s_owners[slot] = Thread.CurrentThread;
                    *TagOf(slot) = ThreadCounters.OffsetOf(0);
                    Volatile.Write(ref s_end, Math.Max(s_end, slot + 1));
                    Interlocked.MemoryBarrier();
                    Slot.Current = slot;
                    return slot;
                }
            }
        }

        return 0;
    }

    /// <summary>The slot's thread, alive or not; null where nobody has had it.</summary>
    public static Thread? OwnerOf(int slot)
    {
        lock (s_lock)
        {
            return s_owners[slot];
        }
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
            {
                return null;
            }

            s_owners[slot] = Thread.CurrentThread;
            return dead;
        }
    }

    public static void GiveBack(int slot, Thread dead)
    {
        lock (s_lock)
        {
            s_owners[slot] = dead;
        }
    }

    /// <summary>
    /// Whether the slot's thread waits for something, by the runtime's own functions, outside of the arenas' slow paths: then it is not in the
    /// middle of an allocation or a free. Some moments old.
    /// </summary>
    public static bool Waits(int slot) =>
        OwnerOf(slot) is { IsAlive: true } thread && (thread.ThreadState & ThreadState.WaitSleepJoin) != 0 && Volatile.Read(ref *DepthOf(slot)) == 0;

    /// <summary>How many slow paths the slot's thread is in. Written by it.</summary>
    public static nint* DepthOf(int slot) => TagOf(slot) + 1;

    /// <summary>
    /// Alone in a class without other statics: the JIT then reads it straight from the thread's local data instead of checking first
    /// whether the class's block is there.
    /// </summary>
    private static class Slot
    {
        [ThreadStatic]
        public static nint Current;
    }
}
