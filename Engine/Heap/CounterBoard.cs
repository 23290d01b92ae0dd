using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace SuperSlab;

/// <summary>
/// What all threads counted in all arenas of one memory, by tag: the sums of what was counted in arenas that were reset or disposed since,
/// and where the counters of living caches are, for a profiler that reads them at each frame's end and finds its own caches cold then.
/// So all of it lies together in the metadata heap, and no arena is asked:
///
///   | lock | first chunk | retired cell of tag 0 | retired cell of tag 1 | ...
///              '-&gt; | next chunk | count | cache | cache | ...
///
/// Numbers that only rise stay so: what a cache counted is always in one of both places. The blocks that an arena threw away count as
/// freed, each under the tag that it was allocated under. Any thread.
/// </summary>
internal sealed unsafe class CounterBoard
{
    private readonly MetadataHeap _heap;
    private readonly Board* _board;

    /// <summary>Held while the list changes, for as long as that takes; the board's own lock only for some writes.</summary>
    private readonly Lock _changing = new();

    public CounterBoard(MetadataHeap heap)
    {
        _heap = heap;
        _board = (Board*)heap.Allocate((nuint)(sizeof(Board) + (ThreadCounters.Tags * sizeof(CounterCell))));
        _board->First = NewChunk();
    }

    /// <summary>What the caches of that many threads in one arena take here.</summary>
    public static nuint BytesFor(int threads) => Sizes.DivideRoundingUp((nuint)threads, Chunk.Capacity) * (nuint)sizeof(Chunk);

    /// <summary>A cache counts from now on.</summary>
    public void Add(ThreadCache* cache)
    {
        lock (_changing)
        {
            Chunk* chunk = _board->First;
            if (chunk->Count == Chunk.Capacity)
            {
                chunk = NewChunk();
                chunk->Next = _board->First;
            }

            NativeLock.Enter(&_board->Lock);
            chunk->Caches[chunk->Count++] = (ulong)cache;
            _board->First = chunk;
            NativeLock.Exit(&_board->Lock);
        }
    }

    /// <summary>A thread that has no cache allocated, or freed, so many bytes; they count under no tag.</summary>
    public void CountWithoutCache(long allocatedBytes, long freedBytes)
    {
        NativeLock.Enter(&_board->Lock);
        Retired[0].Add(new CounterCell
        {
            Allocations = allocatedBytes == 0 ? 0 : 1,
            AllocatedBytes = allocatedBytes,
            Frees = freedBytes == 0 ? 0 : 1,
            FreedBytes = freedBytes,
        });
        NativeLock.Exit(&_board->Lock);
    }

    /// <summary>A cache's blocks were all thrown away: takes over what it counted, and sets it back to 0. Its thread does not use the arena.</summary>
    public void Retire(ThreadCache* cache)
    {
        NativeLock.Enter(&_board->Lock);
        for (int tag = 0; tag < ThreadCounters.Tags; tag++)
        {
            CounterCell* cell = ThreadCounters.CellOf(cache, tag);
            CounterCell thrownAway = *cell with { Frees = cell->Allocations, FreedBytes = cell->AllocatedBytes };
            Retired[tag].Add(thrownAway);
            *cell = default;
        }

        NativeLock.Exit(&_board->Lock);
    }

    /// <summary>A cache that was retired goes. Waits for those that read.</summary>
    public void Remove(ThreadCache* cache)
    {
        lock (_changing)
        {
            Chunk* first = _board->First;
            ulong* place = Find(first, (ulong)cache);
            bool empties = first->Count == 1 && first->Next != null;
            NativeLock.Enter(&_board->Lock);
            *place = first->Caches[--first->Count];
            _board->First = empties ? first->Next : first;
            NativeLock.Exit(&_board->Lock);
            if (empties)
                _heap.Free(first, (nuint)sizeof(Chunk));
        }
    }

    /// <summary>Writes everything counted so far, one sum for each tag. Hot-loop safe.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Sum(Span<CounterCell> sums)
    {
        NativeLock.Enter(&_board->Lock);
        new ReadOnlySpan<CounterCell>(Retired, sums.Length).CopyTo(sums);
        for (Chunk* chunk = _board->First; chunk != null; chunk = chunk->Next)
        {
            for (long place = 0; place < chunk->Count; place++)
            {
                CounterCell* cells = ThreadCounters.CellOf((ThreadCache*)chunk->Caches[place], 0);
                for (int tag = 0; tag < sums.Length; tag++)
                    sums[tag].Add(cells[tag]);
            }
        }

        NativeLock.Exit(&_board->Lock);
    }

    private CounterCell* Retired => (CounterCell*)(_board + 1);

    private static ulong* Find(Chunk* chunk, ulong cache)
    {
        for (; ; chunk = chunk->Next)
        {
            int place = new ReadOnlySpan<ulong>(chunk->Caches, (int)chunk->Count).IndexOf(cache);
            if (place >= 0)
                return chunk->Caches + place;
        }
    }

    private Chunk* NewChunk() => (Chunk*)_heap.Allocate((nuint)sizeof(Chunk));

    private struct Board
    {
        public int Lock;
        public Chunk* First;
    }

    private struct Chunk
    {
        public const int Capacity = 126;

        public Chunk* Next;
        public long Count;
        public fixed ulong Caches[Capacity];
    }
}

/// <summary>
/// What was allocated and freed; each number only rises. Written by one thread, read by any: a read number is some moments old. The
/// order is what <see cref="ThreadCounters"/> counts by.
/// </summary>
[StructLayout(LayoutKind.Sequential)]
internal struct CounterCell
{
    public long Allocations;
    public long AllocatedBytes;
    public long Frees;
    public long FreedBytes;

    public readonly long LiveBytes => AllocatedBytes - FreedBytes;

    public void Add(in CounterCell other)
    {
        Allocations += other.Allocations;
        AllocatedBytes += other.AllocatedBytes;
        Frees += other.Frees;
        FreedBytes += other.FreedBytes;
    }
}

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
            Units(cache)[sizeClass] = Vector128.Create(1, (long)SizeClasses.BlockBytes(ArenaClasses.SizeClassOf(sizeClass)));
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
