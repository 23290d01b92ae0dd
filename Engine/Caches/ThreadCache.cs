using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Engine.Slabs;

namespace Engine.Caches;

/// <summary>
/// One thread's private stacks of free blocks for one arena: what the fast path reads and writes, and nothing else.
///
///   | a top for each class | where blocks lie | class by size, 1,025 bytes | fill steps, empty magazines | a stock for each class | ... | 0 |
///                                                                                                                  cache + Bytes ^
///
/// A class has one loaded magazine, whose top stands in <see cref="Tops"/>, and a stock of full ones. Blocks above 32 KiB have no loaded
/// magazine, only the stock. Written by its thread only, without any ordering, but for the stocks: from those every thread may take (see
/// <see cref="MagazineStock"/>), so what a thread keeps to itself is one magazine of each class, 64 KiB of blocks at most. Nobody else looks at
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
    /// <summary>Empty magazines that a thread keeps for any class, so that it does not fetch one for each full one.</summary>
    public const int MostEmpty = 32;
    /// <summary>The size: more than the fields need by some words, of which the last stays 0.</summary>
    public const int Bytes = 4096;

    // Where the map begins. The fast paths reach the tops and the map by address: through the fields the JIT checks the cache for null
    // each time. For the same reason the other fields they read lie in the first 2 KiB, and the tops at 0 where they need no addition.
    private const int MapOffset = (SizeClasses.Count + 3) * sizeof(ulong);

    public fixed long Tops[SizeClasses.Count];

    public nint ReservationBase;

    /// <summary>The reservation's size; 0 in the detached cache, so that each address is foreign to it.</summary>
    public nuint ReservationBytes;
    public uint* Tags;

    /// <summary>The class of each size from 0 up.</summary>
    public fixed byte Map[(int)SizeClasses.MappedBytes + 1];
    public fixed byte FillSteps[SizeClasses.Count];
    public Magazine* Empty;
    public int EmptyCount;

    /// <summary>Whose stock was not empty when this thread took from it last.</summary>
    public ThreadCache* Victim;

    /// <summary>The cache of the arena that was made before this one.</summary>
    public ThreadCache* NextAttached;

    /// <summary>The thread took a handle, which it may still use: see <see cref="ArenaCaches.Reclaim"/>.</summary>
    public bool HasHandle;

    /// <summary>Words of <see cref="MagazineStock"/>s. Other threads write them: they lie apart from what the fast path reads.</summary>
    public fixed ulong Stocks[SizeClasses.Count];

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
    public static void SetTop(ThreadCache* cache, int sizeClass, nuint* top) =>
        TopsOf(cache)[sizeClass] = top == null ? 0 : (nint)((byte*)top - (byte*)At(cache, 0));

    /// <summary>The block that was freed last, or 0 where the loaded magazine is empty.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static nuint Pop(ThreadCache* cache, nuint sizeClass)
    {
        nint* tops = TopsOf(cache);
        nint top = tops[sizeClass];
        nuint block = Below(cache, top);
        if (block != 0)
        {
            tops[sizeClass] = top - sizeof(nuint);
        }

        return block;
    }

    /// <summary>Makes a cache of zeroed memory, but for where blocks lie.</summary>
    public static void Initialise(ThreadCache* cache) => SizeClasses.FillMap(cache->Map);

    // These few pages live as long as the process: a thread may look at them after every reservation is gone.
    internal static void* Permanent(nuint bytes)
    {
        void* memory = NativeMemory.AlignedAlloc(bytes, Magazine.Bytes);
        NativeMemory.Clear(memory, bytes);
        return memory;
    }

    private static ThreadCache** MakeDetachedTable()
    {
        ThreadCache** table = (ThreadCache**)Permanent((nuint)(ThreadSlots.Count * sizeof(nint)));
        new Span<nint>(table, ThreadSlots.Count).Fill((nint)Detached);
        return table;
    }
}
