using Engine.Tests.Support;

namespace Engine.Tests.Models;

/// <summary>A long-lived arena beside its model.</summary>
internal sealed unsafe class Modelled(LongLivedArena arena)
{
    private const int MostPrewarms = 3;
    private readonly ShadowModel _model = new();
    private readonly HashSet<int> _threadsWithHandle = [];
    private int _prewarms;

    public LongLivedArena Arena => arena;

    public nuint LiveBytes => _model.LiveBytes;

    public int Count => _model.Count;

    public void Do(Operation operation, bool mayGrow)
    {
        nuint bytes = (nuint)operation.Size;
        switch (operation.Kind)
        {
            case OperationKind.Allocate when mayGrow:
                Add(arena.Allocate(bytes), bytes);
                break;
            case OperationKind.AllocateByHandle when mayGrow:
                Add(Handle().Allocate(bytes), bytes);
                break;
            case OperationKind.AllocateAligned when mayGrow:
                nuint alignment = (nuint)1 << (operation.Which % 22);
                Add(arena.Allocate(bytes, alignment), bytes, alignment);
                break;
            case OperationKind.AllocateZeroed when mayGrow:
                byte* zeroed = (byte*)arena.AllocateZeroed(bytes);
                Assert.That(
                    new ReadOnlySpan<byte>(zeroed, operation.Size).IndexOfAnyExcept((byte)0), Is.Negative, "zeroed");
                Add(zeroed, bytes);
                break;
            case OperationKind.Reallocate or OperationKind.GrowExtent when mayGrow && _model.Count != 0:
                void* from = Pick(operation);
                bytes = operation.Kind == OperationKind.GrowExtent ? Size.MiB(2 + (operation.Size % 39)) : bytes;
                _model.Moved(from, arena.Reallocate(from, bytes), bytes);
                break;
            case OperationKind.Free when _model.Count != 0:
                arena.Free(Forget(operation));
                break;
            case OperationKind.FreeByHandle when _model.Count != 0:
                Handle().Free(Forget(operation));
                break;
            case OperationKind.FreeMany:
                for (int count = _model.Count / 2; count > 0; count--)
                    arena.Free(Forget(operation with { Which = operation.Which + count }));

                break;
            case OperationKind.TrimArena:
                arena.Trim();
                arena.Validate();
                break;
            case OperationKind.ResetArena when operation.Size % 4 == 0:
                Check();
                arena.Reset();
                _model.Clear();
                arena.Validate();
                break;
        }
    }

    /// <summary>A prewarm beside what lives. It must succeed.</summary>
    public void Prewarm(Operation operation)
    {
        if (_prewarms++ < MostPrewarms)
        {
            int before = arena.SuperSlabCount;
            nuint bytes = (nuint)operation.Size + 1;
            nuint gained =
                arena.Prewarm(
                [new BlockCount(bytes, 1 + (long)((6 << 20) / bytes / 2 * (nuint)(operation.Which % 3)))], threads: 1,
                carve: operation.Which % 2 == 0);
            Assert.That(arena.SuperSlabCount - before, Is.EqualTo((int)(gained >> 21)), "SuperSlabs gained");
        }
    }

    /// <summary>A prewarm that may fail, or that must: it undoes what it took, and nothing else.</summary>
    public void PrewarmInVain(BlockCount blocks, bool carve, bool mayHold = false)
    {
        int before = arena.SuperSlabCount;
        try
        {
            arena.Prewarm([blocks], threads: 1, carve);
            Assert.That(mayHold, $"a prewarm of {blocks} cannot hold");
            _prewarms++;
        }
        catch (Exception refused) when (refused is EngineOutOfMemoryException or EngineMemoryException)
        {
            // What was empty besides may have gone in the search for room.
            Assert.That(arena.SuperSlabCount, Is.LessThanOrEqualTo(before), "SuperSlabs that a failed prewarm left");
        }
    }

    /// <summary>A prewarm of more than the arena may hold.</summary>
    public void PrewarmOverBudget(bool carve)
    {
        ArenaBudget limits = arena.Budget;
        arena.Budget =
            new ArenaBudget { HardBytes = Size.MiB(2 * (arena.SuperSlabCount + 2)), Overflow = ArenaOverflow.Fail };
        PrewarmInVain(new BlockCount(1 << 20, 2 * (arena.SuperSlabCount + 4)), carve);
        arena.Budget = limits;
    }

    /// <summary>Gives up the calling thread's handle if it has one. While it has one, other threads cannot take its
    /// loaded magazines.</summary>
    public void GiveUpHandle()
    {
        if (_threadsWithHandle.Remove(Environment.CurrentManagedThreadId))
            arena.DetachThread();
    }

    /// <summary>Frees all that lives; then 12 MiB fit into a budget of 16, whatever caches, stocks and other classes
    /// held. All other threads wait and have no handle.</summary>
    public void FillBudget()
    {
        if (_prewarms == 0 && arena.Budget.HardBytes == 0)
        {
            Empty();
            arena.Budget = new ArenaBudget { HardBytes = Size.MiB(16), Overflow = ArenaOverflow.Fail };

            // A budget does not take away what the arena has; it only gets nothing more.
            int most = Math.Max(8, arena.SuperSlabCount);
            for (int block = 0; block < 3; block++)
            {
                Add(arena.Allocate(Size.MiB(4)), Size.MiB(4));
                Assert.That(arena.SuperSlabCount, Is.LessThanOrEqualTo(most), "SuperSlabs within the budget");
            }

            arena.Budget = new ArenaBudget();
        }
    }

    /// <summary>Allocates all of it, checks it, and frees it in an order of chance.</summary>
    public void PlayFrame(BlockCount[] frame, Random random)
    {
        foreach (BlockCount blocks in frame)
        {
            for (long block = 0; block < blocks.Count; block++)
                _model.Add(arena.Allocate(blocks.Bytes), 64);
        }

        while (_model.Count != 0)
        {
            arena.Free(_model.Take(random));
        }
    }

    /// <summary>Disposes the arena with whatever lives. Its handle is used when <paramref name="next"/>, made
    /// afterwards, has its number.</summary>
    public void Replace(Func<Modelled> next)
    {
        ArenaHandle handle = arena.GetHandle();
        handle.Free(handle.Allocate(64));
        Check();
        arena.Dispose();
        Modelled other = next();
        other.Add(other.Arena.Allocate(64), 64);
        Stale.Refuses(handle, other._model.Pick(new Random(0), out _));
        other.Check();
        Assert.That(() => (nint)arena.Allocate(64), Throws.TypeOf<ObjectDisposedException>());
    }

    public void Check()
    {
        _model.CheckAll();
        Assert.That(arena.LiveBlocks().Sum(blocks => blocks.Count), Is.EqualTo(_model.Count), "live blocks");
    }

    /// <summary>Frees all blocks one by one.</summary>
    public void Empty()
    {
        _model.Drain(block => arena.Free((void*)block));
        Assert.That(arena.LiveBlocks(), Is.Empty);
    }

    private ArenaHandle Handle()
    {
        _threadsWithHandle.Add(Environment.CurrentManagedThreadId);
        return arena.GetHandle();
    }

    private void Add(void* block, nuint bytes, nuint alignment = 16)
    {
        Assert.That(arena.UsableBytes(block), Is.GreaterThanOrEqualTo(bytes));
        _model.Add(block, bytes, nuint.Max(alignment, 16));
    }

    private void* Pick(Operation operation) => _model.Pick(new Random(operation.Which), out _);

    private void* Forget(Operation operation)
    {
        void* block = Pick(operation);
        _model.Remove(block);
        return block;
    }
}
