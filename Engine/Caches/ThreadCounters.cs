using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using Engine.Slabs;

namespace Engine.Caches;

/// <summary>
/// What one thread allocated and freed in one arena, by tag. Lies behind the thread's cache when <c>CounterSwitch</c> is on, and is
/// reached from it:
///
///   | ThreadCache | current | unit of each class | cell of tag 0 | cell of tag 1 | ...      one for each thread and arena
///                      |
///                      '-&gt;  how far behind the cache's beginning the cell of the thread's tag lies      one word for each thread
///
/// A thread changes its tag for all arenas by one write to that word. Written by its thread only. A unit is what a block of the class adds
/// to a cell: 1, and its bytes. Both lie side by side in unit and cell, so that one vector addition counts a call, in one load and one
/// store.
/// </summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct ThreadCounters
{
    /// <summary>Tags that there can be; tag 0 is that of code without one.</summary>
    public const int Tags = 64;

    private const int UnitWords = 2;
    private const int CellWords = 2 * UnitWords;

    private nint* _current;

    // Units begin at a multiple of their size, so that none lies in two cache lines.
    private readonly nint _alignment;
    private fixed long _units[ArenaClasses.Count * UnitWords];
    private fixed long _cells[Tags * CellWords];

    /// <summary>What a thread's word holds while a tag is in force.</summary>
    public static nint OffsetOf(int tag) => sizeof(ThreadCache) + sizeof(ThreadCounters) - ((Tags - tag) * sizeof(CounterCell));

    /// <summary>The tag that is in force while a thread's word holds this.</summary>
    public static int TagAt(nint offset) => (int)(offset - OffsetOf(0)) / sizeof(CounterCell);

    /// <summary>The cell of a tag.</summary>
    public static CounterCell* CellOf(ThreadCache* cache, int tag) => (CounterCell*)((byte*)cache + OffsetOf(tag));

    /// <param name="cache">A cache with room for counters behind it.</param>
    /// <param name="current">The word of the thread's slot.</param>
    public static void Initialise(ThreadCache* cache, nint* current)
    {
        ThreadCounters* counters = Of(cache);
        counters->_current = current;
        for (int sizeClass = 0; sizeClass < ArenaClasses.Count; sizeClass++)
        {
            Units(cache)[sizeClass] = Vector128.Create(1, (long)SizeClasses.BlockBytes(ArenaClasses.SizeClassOf(sizeClass)));
        }
    }

    /// <summary>The thread allocated a block of a class that has a size. Part of the fast path.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void CountAllocation(ThreadCache* cache, nuint sizeClass) => *(Vector128<long>*)Current(cache) += Units(cache)[sizeClass];

    /// <summary>The same for a free.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void CountFree(ThreadCache* cache, nuint sizeClass) => *(Vector128<long>*)&Current(cache)->Frees += Units(cache)[sizeClass];

    /// <summary>The same for blocks whose size is not their class's.</summary>
    public static void CountAllocationOf(ThreadCache* cache, nuint bytes)
    {
        CounterCell* cell = Current(cache);
        cell->Allocations++;
        cell->AllocatedBytes += (long)bytes;
    }

    /// <summary>The same for a free.</summary>
    public static void CountFreeOf(ThreadCache* cache, nuint bytes)
    {
        CounterCell* cell = Current(cache);
        cell->Frees++;
        cell->FreedBytes += (long)bytes;
    }

    private static ThreadCounters* Of(ThreadCache* cache) => (ThreadCounters*)(cache + 1);

    // By address, as in ThreadCache: through the fields the JIT checks for null each time.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<long>* Units(ThreadCache* cache) => (Vector128<long>*)((byte*)(cache + 1) + (2 * sizeof(nint)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static CounterCell* Current(ThreadCache* cache) => (CounterCell*)((byte*)cache + **(nint**)(cache + 1));
}
