using System.Collections.Concurrent;
using Engine.Tests.Support;

namespace Engine.Tests.Models;

/// <summary>
/// Programs of several threads at the same time in the arenas of one memory. Each thread has blocks of its own, and
/// frees blocks that the others handed to it; where each lies is known to <see cref="LiveRanges"/>, across all arenas.
/// <code>
///   arena 0 (free)      no limit: it may never say that there is no memory
///   arena 1 (limited)   a hard budget that holds to the byte whenever the threads stand still
///   arena 2 (asked)     asks a function that takes its time, and whose budget changes beside the allocations
///   others              made, used, disposed, and used once more by one thread each
/// </code>
/// </summary>
internal sealed unsafe class ConcurrentRun : IDisposable
{
    private const int MostPrewarms = 4;
    private const int LimitedMiB = 64;
    private static readonly nuint s_mostLiveBytes = Size.MiB(60);
    private readonly EngineMemory _memory =
        new(new EngineMemoryOptions { ReservationBytes = Size.GiB(2), RetainBytes = 8 << 20 });
    private readonly LongLivedArena[] _arenas;
    private readonly Seat[] _seats;
    private readonly LiveRanges _ranges = new();
    private readonly int[] _prewarms = new int[3];
    private long _operations;
    private long _refusals;

    public ConcurrentRun(int threads)
    {
        _arenas =
            [_memory.CreateLongLivedArena("free"), _memory.CreateLongLivedArena("limited"),
            _memory.CreateLongLivedArena("asked")];
        _arenas[1].Budget = new ArenaBudget { HardBytes = Size.MiB(LimitedMiB), Overflow = ArenaOverflow.Fail };
        _seats = [.. Enumerable.Range(0, threads).Select(_ => new Seat())];
        ChangeBudget(5);
    }

    /// <summary>Operations done.</summary>
    public long Operations => Interlocked.Read(ref _operations);

    /// <summary>Operations that an arena with a budget refused.</summary>
    public long Refusals => Interlocked.Read(ref _refusals);

    /// <summary>One thread's part, beside the others'.</summary>
    public void Do(int thread, IEnumerable<Operation> program)
    {
        Seat seat = _seats[thread];
        foreach (Operation operation in program)
        {
            FreeHanded(seat);
            int arena = operation.Which % _arenas.Length;
            try
            {
                Do(operation, arena, seat, Interlocked.Increment(ref _operations));
            }
            catch (EngineOutOfMemoryException) when (arena != 0)
            {
                Interlocked.Increment(ref _refusals);
            }
            catch (Exception failure) when (failure is not AssertionException)
            {
                throw new AssertionException(
                    $"{operation} on arena '{_arenas[arena].Name}' failed: {failure}", failure);
            }
        }
    }

    /// <summary>While the threads stand still: all contents are right, all structures hold, and so do the
    /// limits.</summary>
    public void Check()
    {
        foreach (Seat seat in _seats)
            FreeHanded(seat);

        _ranges.CheckAll();
        _memory.Validate();
        Assert.That(_arenas[1].SuperSlabCount * 2, Is.LessThanOrEqualTo(LimitedMiB), "MiB of the limited arena");
        for (int arena = 0; arena < _arenas.Length; arena++)
        {
            int live = _seats.Sum(seat => seat.Blocks.Count(block => block.Arena == arena));
            Assert.That(_arenas[arena].LiveBlocks().Sum(blocks =>
                blocks.Count), Is.EqualTo(live), $"live blocks of arena '{_arenas[arena].Name}'");
        }
    }

    /// <summary>After the threads: all goes back.</summary>
    public void End()
    {
        Check();
        foreach (Seat seat in _seats)
        {
            while (seat.Blocks.Count != 0)
                Free(seat.Take(0));
        }

        foreach (LongLivedArena arena in _arenas)
        {
            Assert.That(arena.LiveBlocks(), Is.Empty);
            arena.Trim();
            Assert.That(
                arena.SuperSlabCount == 0 || _prewarms[Array.IndexOf(_arenas, arena)] != 0,
                $"arena '{arena.Name}' holds {arena.SuperSlabCount} SuperSlabs back");
            arena.Dispose();
        }

        Assert.That(_memory.OwnedSuperSlabCount, Is.Zero);
        _memory.Trim();
        Assert.That(_memory.ReadySuperSlabCount, Is.Zero);
        _memory.Validate();
    }

    public void Dispose() => _memory.Dispose();

    private void Do(Operation operation, int arena, Seat seat, long number)
    {
        nuint bytes = (nuint)operation.Size + 1;
        bool mayGrow = seat.LiveBytes < s_mostLiveBytes;
        switch (operation.Kind)
        {
            case OperationKind.GrowExtent when mayGrow && seat.Blocks.Count != 0:
                // Mostly from extent to extent: such blocks move, pages and all.
                int largest = seat.LargestOf(arena, operation.Actor);
                Reallocate(
                    seat, largest < 0 ? operation.Which % seat.Blocks.Count : largest,
                    Size.MiB(2 + (operation.Size % (operation.Size % 8 == 0 ? 39 : 11))), number);
                break;
            case OperationKind.GrowExtent when mayGrow:
                Allocate(seat, arena, Size.MiB(2 + (operation.Size % 5)), 16, number);
                break;
            case OperationKind.Reallocate when mayGrow && seat.Blocks.Count != 0:
                Reallocate(seat, operation.Which % seat.Blocks.Count, bytes, number);
                break;
            case <= OperationKind.Reallocate when mayGrow:
                Allocate(seat, arena, bytes, (nuint)16 << (operation.Which % 10), number);
                break;
            case OperationKind.Free or OperationKind.FreeByHandle when seat.Blocks.Count != 0:
                _seats[operation.Actor % _seats.Length].Handed.Enqueue(seat.Take(operation.Which % seat.Blocks.Count));
                break;
            case OperationKind.FreeMany:
                for (int count = seat.Blocks.Count / 2; count > 0; count--)
                    Free(seat.Take(operation.Which % seat.Blocks.Count));

                break;
            case OperationKind.Prewarm when Interlocked.Increment(ref _prewarms[arena]) <= MostPrewarms:
                _arenas[arena].Prewarm(
                    [new BlockCount(bytes, 1 + (long)(Size.MiB(3) / bytes / 4))], threads: 1,
                    carve: operation.Which % 2 == 0);
                break;
            case OperationKind.PrewarmOverBudget:
                PrewarmInVain(
                    _arenas[1], new BlockCount(bytes, (long)(Size.MiB(LimitedMiB + 8) / bytes) + 1),
                    carve: operation.Which % 2 == 0);
                break;
            case OperationKind.ChangeBudget:
                ChangeBudget(operation.Which);
                break;
            case OperationKind.TrimMemory:
                _memory.Trim((nuint)operation.Size);
                break;
            case OperationKind.Snapshot:
                MemorySnapshot.TryTake(_memory, seat.Snapshot, out _, out _);
                break;
            case OperationKind.DisposeArena:
                LiveAndDispose(new Random(operation.Size), number);
                break;
            case OperationKind.DisposeFrames:
                LiveAndDisposeFrames();
                break;
        }
    }

    private void Allocate(Seat seat, int arena, nuint bytes, nuint alignment, long number)
    {
        void* block = _arenas[arena].GetHandle().Allocate(bytes, alignment);
        Assert.That((nuint)block % (bytes > Size.MiB(2) ? 16 : alignment) == 0, "aligned");
        _ranges.Add(block, bytes, _arenas[arena].UsableBytes(block), _arenas[arena].Name, number);
        seat.Add(new Block((nint)block, bytes, arena));
    }

    private void Reallocate(Seat seat, int index, nuint bytes, long number)
    {
        Block block = seat.Take(index);
        LiveRange from = _ranges.Remove((void*)block.Address);
        try
        {
            void* moved = _arenas[block.Arena].Reallocate((void*)block.Address, bytes);
            _ranges.Moved(from, moved, bytes, _arenas[block.Arena].UsableBytes(moved), number);
            block = new Block((nint)moved, bytes, block.Arena);
        }
        catch (EngineOutOfMemoryException) when (block.Arena != 0)
        {
            _ranges.Restore(from);
            Interlocked.Increment(ref _refusals);
        }

        seat.Add(block);
    }

    private void Free(Block block)
    {
        LongLivedArena arena = _arenas[block.Arena];
        Assert.That(
            arena.UsableBytes((void*)block.Address), Is.GreaterThanOrEqualTo(block.Bytes), "the arena knows the block");
        _ranges.Remove((void*)block.Address);
        try
        {
            arena.Free((void*)block.Address);
        }
        catch (EngineOutOfMemoryException failure)
        {
            throw new AssertionException(
                $"a free of 0x{block.Address:x} failed for want of memory: {failure}", failure);
        }
    }

    private void FreeHanded(Seat seat)
    {
        while (seat.Handed.TryDequeue(out Block block))
            Free(block);
    }

    private static void PrewarmInVain(LongLivedArena arena, BlockCount blocks, bool carve)
    {
        try
        {
            arena.Prewarm([blocks], threads: 1, carve);
        }
        catch (EngineOutOfMemoryException)
        {
            return;
        }

        throw new AssertionException($"a prewarm of {blocks} was admitted beyond the budget of {LimitedMiB} MiB");
    }

    /// <summary>The function holds the moment open in which the arena has asked and has not taken.</summary>
    private void ChangeBudget(int which) => _arenas[2].Budget = new ArenaBudget
    {
        HardBytes = Size.MiB(2 * (1 + (which % 40))),
        Overflow = which % 7 == 0 ? ArenaOverflow.Fail : ArenaOverflow.Callback,
        OnOverflow = request =>
        {
            Thread.Sleep(0);
            return request.HeldBytes < Size.MiB(200) && (request.HeldBytes >> 21) % 5 != 4;
        },
    };

    /// <summary>A life of an arena of the thread's own, whose handle is used when another has its number.</summary>
    private void LiveAndDispose(Random random, long number)
    {
        LongLivedArena own = _memory.CreateLongLivedArena("own");
        List<nint> blocks = [];
        for (int count = random.Next(1, 40); count > 0; count--)
        {
            nuint bytes = random.NextSize(random.Next(10) == 0 ? 21 : 12);
            void* block = own.Allocate(bytes);
            _ranges.Add(block, bytes, own.UsableBytes(block), own.Name, number);
            blocks.Add((nint)block);
        }

        blocks.ForEach(block => _ranges.Remove((void*)block));
        ArenaHandle stale = own.GetHandle();
        own.Dispose();
        using LongLivedArena next = _memory.CreateLongLivedArena("next");
        void* live = next.Allocate(64);
        _ranges.Add(live, 64, 64, next.Name, number);
        Stale.Refuses(stale, live);
        _ranges.Remove(live);
    }

    private void LiveAndDisposeFrames()
    {
        FrameArena own =
            _memory.CreateFrameArena("own", new FrameArenaOptions { BytesPerLane = 4096, OverflowSuperSlabs = 0 });
        FrameLane stale = own.Lane(0);
        stale.Allocate(100);
        own.Dispose();
        using FrameArena next =
            _memory.CreateFrameArena("next", new FrameArenaOptions { BytesPerLane = 4096, OverflowSuperSlabs = 0 });
        Stale.Refuses(stale);
        Assert.That(next.Lane(0).UsedBytes == 0, "nothing was allocated in the next");
    }

    private readonly record struct Block(nint Address, nuint Bytes, int Arena);

    /// <summary>What one thread has.</summary>
    private sealed class Seat
    {
        public List<Block> Blocks { get; } = [];

        public ConcurrentQueue<Block> Handed { get; } = new();

        public byte[] Snapshot { get; } = new byte[1 << 20];

        public nuint LiveBytes { get; private set; }

        public void Add(Block block)
        {
            Blocks.Add(block);
            LiveBytes += block.Bytes;
        }

        public Block Take(int index)
        {
            Block block = Blocks[index];
            Blocks[index] = Blocks[^1];
            Blocks.RemoveAt(Blocks.Count - 1);
            LiveBytes -= block.Bytes;
            return block;
        }

        /// <summary>The place of an extent of the arena, where there is one and <paramref name="chance"/> is not
        /// 0.</summary>
        public int LargestOf(int arena, int chance) =>
            chance == 0 ? -1 : Blocks.FindIndex(block => block.Arena == arena && block.Bytes >= Size.MiB(2));
    }
}
