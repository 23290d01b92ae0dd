using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace SuperSlab;

/// <summary>
/// One thread's private stacks of free blocks for one arena, and the fast path of the engine: <see cref="TryAllocate"/> pops a block,
/// <see cref="TryFree"/> pushes one. Handles, and arenas by way of them, call both, and go to the arena's slow paths where they find nothing or no room.
///
///   | a top for each class | where blocks lie | class by size, 1,025 bytes | fill steps, empty magazines | a stock for each class | ... | 0 |
///                                                                                                                  cache + Bytes ^
///
/// A class has one loaded magazine, whose top stands in <see cref="Tops"/>, and a stock of full ones. Of blocks above 256 KiB, which would
/// fill a magazine each, there is only the stock. Small blocks have classes of the thread's home (<see cref="ArenaClasses"/>), which the
/// map says; a block of another home is pushed on a magazine from which the thread never pops. Written by its thread only, without any ordering, but for the stocks: from those every thread may take (see
/// <see cref="MagazineStock"/>), so what a thread keeps to itself is one magazine of each class. Nobody else looks at
/// the rest but under the rules of <see cref="ArenaCaches"/>. What one thread wrote into a block another may see that gets the address
/// from it in an ordered way, as with any pointer; a block that wanders through a stock is ordered by its compare-and-swap.
/// <para>
/// A top is the distance in bytes from the cache's end, which is a multiple of 1,024 as a magazine's end is. 0 says that the class has no
/// magazine: a pop then reads the cache's last word, which is always 0, as it reads the word below an empty magazine; a push sees a multiple
/// of 1,024, as it does of a full one. So memory that reads as 0 is a cache whose every call takes the slow path, which knows whether the
/// arena lives: what <see cref="Detached"/> is, and what is left of the caches of a disposed arena or memory for a handle that outlives them.
/// </para>
/// </summary>
[StructLayout(LayoutKind.Sequential, Size = Bytes)]
internal unsafe struct ThreadCache
{
    /// <summary>Empty magazines that a thread keeps for any class: as many as its stock of one class can turn out.</summary>
    public const int MostEmpty = Magazine.MostStocked;

    /// <summary>The size: more than the fields need by some words, of which the last stays 0.</summary>
    public const int Bytes = 6144;

    // Where the map begins. The fast paths reach the tops and the map by address: through the fields the JIT checks the cache for null
    // each time. For the same reason the other fields they read lie in the first 2 KiB, and the tops at 0 where they need no addition.
    private const int MapOffset = (ArenaClasses.Count + 3) * sizeof(ulong);

    public fixed long Tops[ArenaClasses.Count];

    public nint ReservationBase;

    /// <summary>The reservation's size; 0 in the detached cache, so that each address is foreign to it.</summary>
    public nuint ReservationBytes;
    public uint* Tags;

    /// <summary>The class of each size from 0 up, of the thread's home where the size is small.</summary>
    public fixed byte Map[(int)SizeClasses.MappedBytes + 1];

    /// <summary>How many blocks the thread takes from runs the next time; 0 of classes of which it never held a free block.</summary>
    public fixed byte FillSteps[ArenaClasses.Count];
    public Magazine* Empty;
    public int EmptyCount;

    /// <summary>Bytes of blocks that the thread put in its stocks and did not take from there; less <see cref="TakenBytes"/> they are there now.</summary>
    public long StockedBytes;

    /// <summary>The thread slot that the cache belongs to.</summary>
    public int Slot;

    /// <summary>The class of the smallest blocks of the thread's home; 0 in the detached cache.</summary>
    public int FirstClassOfHome;

    /// <summary>Whose stock was not empty when this thread took from it last.</summary>
    public ThreadCache* Victim;

    /// <summary>The cache of the arena that was made before this one.</summary>
    public ThreadCache* NextAttached;

    /// <summary>The thread took a handle, which it may still use: see <see cref="ArenaCaches.Reclaim"/>.</summary>
    public bool HasHandle;

    // Other threads write what follows: it lies two cache lines apart from what the fast path reads.
    private fixed ulong _apart[16];

    /// <summary>Bytes that others took from the stocks.</summary>
    public long TakenBytes;

    /// <summary>Words of <see cref="MagazineStock"/>s.</summary>
    public fixed ulong Stocks[ArenaClasses.Count];

    /// <summary>Stands in for threads without a cache and for disposed arenas: every call on it takes the slow path.</summary>
    public static readonly ThreadCache* Detached = (ThreadCache*)Permanent(Bytes);

    /// <summary>The table of a disposed arena: each thread's cache is the detached one.</summary>
    public static readonly ThreadCache** DetachedTable = MakeDetachedTable();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static nint* TopsOf(ThreadCache* cache) => (nint*)cache;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static byte* MapOf(ThreadCache* cache) => (byte*)cache + MapOffset;

    /// <summary>The place that a top says: where the next freed block is written. The last freed one stands in <see cref="Below"/> it.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static nuint* At(ThreadCache* cache, nint top) => (nuint*)((byte*)cache + top + Bytes);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static nuint Below(ThreadCache* cache, nint top) => *(nuint*)((byte*)cache + top + (Bytes - sizeof(nuint)));

    /// <summary>The top of a class's loaded magazine, or null where it has none.</summary>
    public static nuint* Top(ThreadCache* cache, int sizeClass)
    {
        // Read once: those who count look while the thread goes on.
        nint top = Volatile.Read(ref TopsOf(cache)[sizeClass]);
        return top == 0 ? null : At(cache, top);
    }

    /// <param name="cache">The thread's.</param>
    /// <param name="sizeClass">The class.</param>
    /// <param name="top">A place in a magazine, or null for none.</param>
    public static void SetTop(ThreadCache* cache, int sizeClass, nuint* top)
    {
        NoteUse(cache, sizeClass);
        TopsOf(cache)[sizeClass] = top == null ? 0 : (nint)((byte*)top - (byte*)At(cache, 0));
    }

    /// <summary>The thread holds free blocks of a class, or may from now on.</summary>
    public static void NoteUse(ThreadCache* cache, int sizeClass) => cache->FillSteps[sizeClass] = Math.Max((byte)1, cache->FillSteps[sizeClass]);

    /// <summary>The first class from a given one on, and below another, of which the thread held free blocks; that other where there is none.</summary>
    public static int NextUsed(ThreadCache* cache, int from, int below)
    {
        int distance = new ReadOnlySpan<byte>(cache->FillSteps + from, below - from).IndexOfAnyExcept((byte)0);
        return distance < 0 ? below : from + distance;
    }

    /// <summary>The fast path of allocating: takes the block of a class that was freed last. 0 where the loaded magazine is empty.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static nuint TryAllocate(ThreadCache* cache, nuint sizeClass)
    {
        nuint block = Pop(cache, sizeClass);
        if (CounterSwitch.IsOn && block != 0)
            ThreadCounters.CountAllocation(cache, sizeClass);

        return block;
    }

    /// <summary>The fast path of freeing: puts a block of a class in the loaded magazine.</summary>
    /// <returns>False, and nothing has changed, where that is full, or the block lies on top of it.</returns>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool TryFree(ThreadCache* cache, nuint sizeClass, nuint block)
    {
        nint* tops = TopsOf(cache);
        nint top = tops[sizeClass];
        if (((nuint)top & Magazine.Mask) != 0 && Below(cache, top) != block)
        {
            *At(cache, top) = block;
            tops[sizeClass] = top + sizeof(nuint);
            if (CounterSwitch.IsOn)
                ThreadCounters.CountFree(cache, sizeClass);

            return true;
        }

        return false;
    }

    /// <summary>The block that was freed last, or 0 where the loaded magazine is empty.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static nuint Pop(ThreadCache* cache, nuint sizeClass)
    {
        nint* tops = TopsOf(cache);
        nint top = tops[sizeClass];
        nuint block = Below(cache, top);
        if (block != 0)
            tops[sizeClass] = top - sizeof(nuint);

        return block;
    }

    /// <summary>Makes a cache of zeroed memory, but for where blocks lie.</summary>
    /// <param name="cache">The memory.</param>
    /// <param name="slot">Whose it is.</param>
    /// <param name="home">Where its small blocks come from; see <see cref="ArenaClasses"/>.</param>
    public static void Initialise(ThreadCache* cache, int slot, int home)
    {
        cache->Slot = slot;
        cache->FirstClassOfHome = ArenaClasses.OfHome(home, 0);
        for (nuint bytes = 0; bytes <= SizeClasses.MappedBytes; bytes++)
            cache->Map[bytes] = (byte)ClassFor(cache, SizeClasses.IndexOf(bytes));
    }

    /// <summary>The class of the thread's home where blocks of a size class have homes; else, and for a thread without a cache, the size class.</summary>
    public static int ClassFor(ThreadCache* cache, int sizeClass) =>
        sizeClass < ArenaClasses.SmallClasses ? cache->FirstClassOfHome + sizeClass : sizeClass;

    // These few pages live as long as the process: a thread may look at them after every reservation is gone.
    internal static void* Permanent(nuint bytes)
    {
        void* memory = NativeMemory.AlignedAlloc(bytes, Magazine.Bytes);
        NativeMemory.Clear(memory, bytes);
        return memory;
    }

    private static ThreadCache** MakeDetachedTable()
    {
        ThreadCache** table = (ThreadCache**)Permanent((nuint)(ThreadSlots.TableCount * sizeof(nint)));
        new Span<nint>(table, ThreadSlots.TableCount).Fill((nint)Detached);
        return table;
    }
}

/// <summary>
/// Says, while it is not disposed, that the calling thread is in a slow path and may hold its cache in its hands: nobody takes from that
/// cache then, even when the thread waits. See <see cref="ArenaCaches"/>.
/// </summary>
internal readonly unsafe ref struct SlowPath
{
    private readonly nint* _depth;

    public SlowPath(int slot)
    {
        _depth = ThreadSlots.DepthOf(slot);
        ++*_depth;
    }

    public static SlowPath Enter() => new(ThreadSlots.Take());

    public void Dispose() => --*_depth;
}
