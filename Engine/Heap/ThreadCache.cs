using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace SuperSlab;

/// <summary>
/// One thread's private stacks of free blocks for one arena, and the engine's fast path:
/// <see cref="TryAllocate"/> pops a block, <see cref="TryFree"/> pushes one. Handles call both, and the arena's slow
/// paths where those fail.
///
///   | tops by class | where blocks lie | map: class by size | fill steps, empty ones | stocks by class | ... | 0 |
///                                                                                              cache + Bytes ^
///
/// Each class has one loaded magazine, whose top stands in <see cref="Tops"/>, and a stock of full ones; blocks above
/// 256 KiB, one a magazine, have only the stock. The map gives small blocks a class of the thread's home
/// (<see cref="ArenaClasses"/>); the thread pushes a block of another home on a magazine from which it never pops.
/// </summary>
/// <remarks>
/// Ordering: only the owning thread writes here, without ordering, except the stocks, from which every thread may take
/// (<see cref="MagazineStock"/>). Others read the rest only under the rules of <see cref="ArenaCaches"/>. What one
/// thread wrote into a block is visible to a thread that received the address in an ordered way, as with any pointer;
/// the compare-and-swap of a stock orders the blocks that pass through it.
/// <para>
/// Equations:
/// <code>
///   top                =  0, or the address at which the next freed block is written - (cache + Bytes)
///   top % 1,024 == 0  &lt;=&gt;  no loaded magazine, or a full one: magazines and caches end at multiples of 1,024
///   word below a top   =  the block freed last; 0 in an empty magazine, and at the cache's end, where a top of 0 leads
///   StockedBytes - TakenBytes  =  bytes of the blocks in the thread's stocks
/// </code>
/// So memory that reads as 0 is a cache whose every call takes the slow path, which knows whether the arena lives. The
/// <see cref="Detached"/> cache is such memory; so is the cache of a disposed arena, for a handle that outlives it.
/// </para>
/// </remarks>
[StructLayout(LayoutKind.Sequential, Size = Bytes)]
internal unsafe struct ThreadCache
{
    /// <summary>Empty magazines that a thread keeps, for all classes: as many as one stock can release.</summary>
    public const int MostEmpty = Magazine.MostStocked;

    /// <summary>The size of a cache: some words more than the fields need. The last word stays 0.</summary>
    public const int Bytes = 6144;

    // The fast paths reach tops and map by address, because the JIT checks the cache for null at each access to a
    // field. For the same reason all that they read lies in the first 2 KiB, with the tops at 0, where they need no
    // addition. MakeDetached checks this offset against the map's address at start-up.
    private const int MapOffset = TagsOffset + sizeof(ulong);

    public fixed long Tops[ArenaClasses.Count];

    private const int BaseOffset = ArenaClasses.Count * sizeof(long);
    public nint ReservationBase;

    private const int BytesOffset = BaseOffset + sizeof(ulong);

    /// <summary>The reservation's size; 0 in the detached cache, to which each address is foreign.</summary>
    public nuint ReservationBytes;

    private const int TagsOffset = BytesOffset + sizeof(ulong);
    public uint* Tags;

    /// <summary>The class of each size from 0 up; for small sizes that of the thread's home.</summary>
    public fixed byte Map[(int)SizeClasses.MappedBytes + 1];

    /// <summary>Blocks to take from runs next time; 0 for classes of which the thread never held one.</summary>
    public fixed byte FillSteps[ArenaClasses.Count];
    public Magazine* Empty;
    public int EmptyCount;

    /// <summary>Bytes that the thread added to its stocks, less those that it took from there itself.</summary>
    public long StockedBytes;

    public int Slot;

    /// <summary>The class of the smallest blocks of the thread's home; 0 in the detached cache.</summary>
    public int FirstClassOfHome;

    /// <summary>The cache from whose stock this thread took last.</summary>
    public ThreadCache* Victim;

    /// <summary>The arena's next older cache.</summary>
    public ThreadCache* NextAttached;

    /// <summary>The thread took a handle and may still use it; see <see cref="ArenaCaches.Reclaim"/>.</summary>
    public bool HasHandle;

    // Other threads write what follows, so it lies two cache lines behind what the fast path reads.
    private fixed ulong _apart[16];

    /// <summary>Bytes that other threads took from the stocks.</summary>
    public long TakenBytes;

    /// <summary>Words of <see cref="MagazineStock"/>s.</summary>
    public fixed ulong Stocks[ArenaClasses.Count];

    /// <summary>The cache of threads without one and of disposed arenas: each call takes the slow path.</summary>
    public static readonly ThreadCache* Detached = MakeDetached();

    /// <summary>The table of a disposed arena: every thread's cache is the detached one.</summary>
    public static readonly ThreadCache** DetachedTable = MakeDetachedTable();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static nint* TopsOf(ThreadCache* cache) => (nint*)cache;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static byte* MapOf(ThreadCache* cache) => (byte*)cache + MapOffset;

    /// <summary>The address that a top stands for: where the next freed block is written.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static nuint* At(ThreadCache* cache, nint top) => (nuint*)((byte*)cache + top + Bytes);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static nuint Below(ThreadCache* cache, nint top) => *(nuint*)((byte*)cache + top + (Bytes - sizeof(nuint)));

    /// <summary>The top of a class's loaded magazine, or null where the class has none.</summary>
    public static nuint* Top(ThreadCache* cache, int sizeClass)
    {
        // One read: a thread that counts looks while the owner goes on.
        nint top = Volatile.Read(ref TopsOf(cache)[sizeClass]);
        return top == 0 ? null : At(cache, top);
    }

    /// <summary>Makes another magazine the loaded one; null for none.</summary>
    public static void SetTop(ThreadCache* cache, int sizeClass, nuint* top)
    {
        NoteUse(cache, sizeClass);
        Debug.Assert((nuint)top % (nuint)sizeof(nuint) == 0, "a top is the address of a word");
        TopsOf(cache)[sizeClass] = top == null ? 0 : (nint)((byte*)top - (byte*)At(cache, 0));
    }

    /// <summary>The thread may hold free blocks of the class from now on.</summary>
    public static void NoteUse(ThreadCache* cache, int sizeClass)
    {
        Debug.Assert(cache != Detached, "the detached cache holds nothing");
        cache->FillSteps[sizeClass] = Math.Max((byte)1, cache->FillSteps[sizeClass]);
    }

    /// <summary>The first class in [from, below) of which the thread held free blocks, or the end.</summary>
    public static int NextUsed(ThreadCache* cache, int from, int below)
    {
        int distance = new ReadOnlySpan<byte>(cache->FillSteps + from, below - from).IndexOfAnyExcept((byte)0);
        return distance < 0 ? below : from + distance;
    }

    /// <summary>Allocates: takes the class's block freed last. 0 where the loaded magazine is empty.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static nuint TryAllocate(ThreadCache* cache, nuint sizeClass)
    {
        nuint block = Pop(cache, sizeClass);
        if (CounterSwitch.IsOn && block != 0)
            ThreadCounters.CountAllocation(cache, sizeClass, block);

        return block;
    }

    /// <summary>Frees: puts a block of a class in the loaded magazine.</summary>
    /// <returns>False, and nothing has changed, where the magazine is full or the block lies on top of it.</returns>
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
                ThreadCounters.CountFree(cache, sizeClass, block);

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

    /// <summary>Makes a cache of zeroed memory; the caller then says where blocks lie.</summary>
    public static void Initialise(ThreadCache* cache, int slot, int home)
    {
        cache->Slot = slot;
        cache->FirstClassOfHome = ArenaClasses.OfHome(home, 0);
        for (nuint bytes = 0; bytes <= SizeClasses.MappedBytes; bytes++)
            cache->Map[bytes] = (byte)ClassFor(cache, SizeClasses.IndexOf(bytes));
    }

    /// <summary>The class of the thread's home for a small size class; else the size class itself.</summary>
    public static int ClassFor(ThreadCache* cache, int sizeClass) =>
        sizeClass < ArenaClasses.SmallClasses ? cache->FirstClassOfHome + sizeClass : sizeClass;

    /// <summary>Zeroed memory that is never freed: a thread may read it after every reservation is gone.</summary>
    internal static void* Permanent(nuint bytes)
    {
        void* memory = NativeMemory.AlignedAlloc(bytes, Magazine.Bytes);
        NativeMemory.Clear(memory, bytes);
        return memory;
    }

    /// <exception cref="InvalidOperationException">The fields are not where the constants say.</exception>
    private static ThreadCache* MakeDetached()
    {
        ThreadCache* cache = (ThreadCache*)Permanent(Bytes);
        bool isMapThere = cache->Map == (byte*)cache + MapOffset && (byte*)&cache->Tags == (byte*)cache + TagsOffset;
        bool isLastFree = cache->Stocks + ArenaClasses.Count < (byte*)cache + Bytes;
        return isMapThere && isLastFree && sizeof(ThreadCache) == Bytes ? cache
            : throw new InvalidOperationException("The layout of ThreadCache is not what its constants say.");
    }

    private static ThreadCache** MakeDetachedTable()
    {
        ThreadCache** table = (ThreadCache**)Permanent((nuint)(ThreadSlots.TableCount * sizeof(nint)));
        new Span<nint>(table, ThreadSlots.TableCount).Fill((nint)Detached);
        return table;
    }
}

/// <summary>
/// Marks, until it is disposed, that the calling thread is in a slow path and may hold a pointer to its cache: nobody
/// takes from that cache then, even while the thread waits. See <see cref="ArenaCaches"/>.
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

    public void Dispose()
    {
        Debug.Assert(*_depth > 0, "each slow path ends once");
        --*_depth;
    }
}
