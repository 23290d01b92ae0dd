using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace SuperSlab;

/// <summary>
/// What all threads counted in all arenas of a memory, by tag: sums for arenas that were reset or disposed, and the
/// list of living caches with their counters. Any thread.
///
///   | lock | first chunk | retired cell of tag 0 | retired cell of tag 1 | ...
///              '-&gt; | next chunk | count | cache | cache | ...
/// </summary>
/// <remarks>
/// A profiler reads all at each frame's end, when its own caches are cold: so all lies together in the metadata heap,
/// and no arena is asked. Numbers only rise: what a cache counted is always in one of both places. Blocks that an arena
/// threw away count as freed, each under the tag of its allocation.
/// </remarks>
internal sealed unsafe partial class CounterBoard
{
    private readonly MetadataHeap _heap;
    private readonly Board* _board;

    /// <summary>Held while the list changes; the board's own lock, for which readers wait, only briefly.</summary>
    private readonly Lock _changing = new();

    public CounterBoard(MetadataHeap heap)
    {
        _heap = heap;
        _board = (Board*)heap.Allocate((nuint)(sizeof(Board) + (ThreadCounters.Tags * sizeof(CounterCell))));
        _board->First = NewChunk();
        _board->Uncached.Next = SamplePoint.Never;
    }

    /// <summary>Metadata for the caches of some threads in one arena.</summary>
    public static nuint BytesFor(int threads) =>
        Sizes.DivideRoundingUp((nuint)threads, Chunk.Capacity) * (nuint)sizeof(Chunk);

    /// <summary>Counts a cache from now on.</summary>
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
            if (_samples != null)
                Join(cache);

            NativeLock.Exit(&_board->Lock);
        }
    }

    /// <summary>Counts, under no tag, what a thread without a cache allocated or freed.</summary>
    /// <param name="block">The block that it allocated; not read otherwise.</param>
    /// <param name="allocatedBytes">Its size, or 0.</param>
    /// <param name="freedBytes">The size of the block that it freed, or 0.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void CountWithoutCache(nuint block, long allocatedBytes, long freedBytes)
    {
        NativeLock.Enter(&_board->Lock);
        Retired[0].Add(CounterCell.Of(allocatedBytes, freedBytes));
        ThreadCounters.Advance(&_board->Uncached, block, allocatedBytes, tag: 0);
        NativeLock.Exit(&_board->Lock);
    }

    /// <summary>Counts in the cells of an arena without thread caches, and at once in the sums.</summary>
    /// <param name="cells">The arena's.</param>
    /// <param name="tag">The calling thread's.</param>
    /// <param name="block">The block that was allocated; not read otherwise.</param>
    /// <param name="allocatedBytes">Its size, or 0.</param>
    /// <param name="freedBytes">The size of the block that was freed, or 0.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Count(CounterCell* cells, int tag, nuint block, long allocatedBytes, long freedBytes)
    {
        CounterCell more = CounterCell.Of(allocatedBytes, freedBytes);
        PrepareStack(ThreadSlots.Current);
        NativeLock.Enter(&_board->Lock);
        cells[tag].Add(more);
        Retired[tag].Add(more);
        ThreadCounters.Advance(&_board->Uncached, block, allocatedBytes, tag);
        NativeLock.Exit(&_board->Lock);
    }

    /// <summary>Counts what lives by the cells of such an arena as freed, because it was thrown away.</summary>
    public void Retire(CounterCell* cells)
    {
        NativeLock.Enter(&_board->Lock);
        for (int tag = 0; tag < ThreadCounters.Tags; tag++)
        {
            CounterCell cell = cells[tag];
            Retired[tag].Add(new CounterCell
            {
                Frees = cell.Allocations - cell.Frees,
                FreedBytes = cell.LiveBytes,
            });
            cells[tag] = default;
        }

        NativeLock.Exit(&_board->Lock);
    }

    /// <summary>Takes over the counters of a cache whose blocks were thrown away and whose thread rests.</summary>
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

    /// <summary>Removes a retired cache. Waits for readers.</summary>
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

    /// <summary>Writes all that was counted, one sum a tag. Hot-loop safe.</summary>
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

        /// <summary>What is counted without a cache. Under the lock.</summary>
        public SamplePoint Uncached;
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
/// What was allocated and freed; each number only rises. Written by one thread; others read it some moments old.
/// <see cref="ThreadCounters"/> relies on the order.
/// </summary>
[StructLayout(LayoutKind.Sequential)]
internal struct CounterCell
{
    public long Allocations;
    public long AllocatedBytes;
    public long Frees;
    public long FreedBytes;

    public readonly long LiveBytes => AllocatedBytes - FreedBytes;

    /// <summary>One block allocated, or freed; the other size is 0.</summary>
    public static CounterCell Of(long allocatedBytes, long freedBytes) => new()
    {
        Allocations = allocatedBytes == 0 ? 0 : 1,
        AllocatedBytes = allocatedBytes,
        Frees = freedBytes == 0 ? 0 : 1,
        FreedBytes = freedBytes,
    };

    public void Add(in CounterCell other)
    {
        Allocations += other.Allocations;
        AllocatedBytes += other.AllocatedBytes;
        Frees += other.Frees;
        FreedBytes += other.FreedBytes;
    }
}

/// <summary>
/// What one thread allocated and freed in one arena, by tag. Lies behind the thread's cache when <c>CounterSwitch</c>
/// is on. Written by its thread only.
///
///   | ThreadCache | current | samples | unit of each class | cell of tag 0 | cell of tag 1 | ...   a thread and arena
///                      |
///                      '-&gt;  offset of the current tag's cell from the cache                   one word a thread
///
/// One write to that word changes a thread's tag in all arenas. A unit, 1 and the bytes of a block, is what a block
/// adds to a cell. Its two numbers are neighbours in unit and cell: a call counts by one vector load, addition and
/// store.
/// </summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct ThreadCounters
{
    /// <summary>The number of tags; 0 is the tag of code without one.</summary>
    public const int Tags = 64;

    private const int UnitWords = 2;
    private const int CellWords = 2 * UnitWords;

    private nint* _current;
    private SamplePoint _samples;

    // Each unit begins at a multiple of its size, so none lies in two cache lines.
    private fixed long _units[ArenaClasses.Count * UnitWords];
    private fixed long _cells[Tags * CellWords];

    /// <summary>The offset of a tag's cell from the cache: the value of a thread's word under that tag.</summary>
    public static nint OffsetOf(int tag) =>
        sizeof(ThreadCache) + sizeof(ThreadCounters) - ((Tags - tag) * sizeof(CounterCell));

    /// <summary>The tag of an offset.</summary>
    public static int TagAt(nint offset) => (int)(offset - OffsetOf(0)) / sizeof(CounterCell);

    public static CounterCell* CellOf(ThreadCache* cache, int tag) => (CounterCell*)((byte*)cache + OffsetOf(tag));

    /// <summary>Makes the counters behind a cache, whose thread's word for its tag is given.</summary>
    public static void Initialise(ThreadCache* cache, nint* current)
    {
        ThreadCounters* counters = Of(cache);
        Debug.Assert(counters->_units == (long*)Units(cache), "the units are where the fast path adds them");
        Debug.Assert(counters->_cells == (long*)CellOf(cache, 0), "the cells are where the words of threads point");
        counters->_current = current;
        counters->_samples.Next = SamplePoint.Never;
        for (int sizeClass = 0; sizeClass < ArenaClasses.Count; sizeClass++)
        {
            nuint bytes = SizeClasses.BlockBytes(ArenaClasses.SizeClassOf(sizeClass));
            Units(cache)[sizeClass] = Vector128.Create(1, (long)bytes);
        }
    }

    /// <summary>The thread's stream of allocations in the arena.</summary>
    public static SamplePoint* PointOf(ThreadCache* cache) => (SamplePoint*)((nint*)(cache + 1) + 1);

    /// <summary>Counts an allocation of a block of a class with a size. Part of the fast path.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void CountAllocation(ThreadCache* cache, nuint sizeClass, nuint block)
    {
        Vector128<long>* unit = Units(cache) + sizeClass;
        *(Vector128<long>*)Current(cache) += *unit;
        SamplePoint* point = PointOf(cache);
        long bytes = ((long*)unit)[1];
        if ((point->AllocatedBytes += bytes) >= point->Next)
            SampleTables.Reached(point, block, (nuint)bytes, TagAt(*Of(cache)->_current));
    }

    /// <summary>Counts a free of a block of a class with a size. Part of the fast path.</summary>
    /// <remarks>The block's sample goes: no other thread may have the block's memory yet.</remarks>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void CountFree(ThreadCache* cache, nuint sizeClass, nuint block)
    {
        CountFree(cache, sizeClass);
        SampleTables.Forget(PointOf(cache)->Tables, block);
    }

    /// <summary>The same of a block whose sample is gone.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void CountFree(ThreadCache* cache, nuint sizeClass) =>
        *(Vector128<long>*)&Current(cache)->Frees += Units(cache)[sizeClass];

    /// <summary>Counts an allocation of a block whose size is not its class's.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void CountAllocationOf(ThreadCache* cache, nuint block, nuint bytes)
    {
        CounterCell* cell = Current(cache);
        cell->Allocations++;
        cell->AllocatedBytes += (long)bytes;
        Advance(PointOf(cache), block, (long)bytes, TagAt(*Of(cache)->_current));
    }

    /// <summary>Counts a free of a block whose size is not its class's, and whose sample is gone.</summary>
    public static void CountFreeOf(ThreadCache* cache, nuint bytes)
    {
        CounterCell* cell = Current(cache);
        cell->Frees++;
        cell->FreedBytes += (long)bytes;
    }

    /// <summary>Adds a block to a stream of allocations, and takes a sample where it is due.</summary>
    /// <remarks>
    /// Inlined, as all between a caller and <see cref="SampleTables.Reached"/>: a small method has no frame of its own,
    /// and hides its caller's.
    /// </remarks>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Advance(SamplePoint* point, nuint block, long bytes, int tag)
    {
        point->AllocatedBytes += bytes;
        if (bytes != 0 && point->AllocatedBytes >= point->Next)
            SampleTables.Reached(point, block, (nuint)bytes, tag);
    }

    private static ThreadCounters* Of(ThreadCache* cache) => (ThreadCounters*)(cache + 1);

    // By address, as in ThreadCache: the JIT checks for null at each access to a field.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<long>* Units(ThreadCache* cache) =>
        (Vector128<long>*)((byte*)(cache + 1) + sizeof(nint) + sizeof(SamplePoint));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static CounterCell* Current(ThreadCache* cache) =>
        (CounterCell*)((byte*)cache + **(nint**)(cache + 1));
}
