using Engine.Arenas;
using Engine.Tests.Support;

namespace Engine.Tests.Models;

/// <summary>A long-lived arena beside its model.</summary>
internal sealed unsafe class Modelled(LongLivedArena arena)
{
    private readonly ShadowModel _model = new();

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
                Add(arena.GetHandle().Allocate(bytes), bytes);
                break;
            case OperationKind.AllocateAligned when mayGrow:
                nuint alignment = (nuint)1 << (operation.Which % 22);
                Add(arena.Allocate(bytes, alignment), bytes, alignment);
                break;
            case OperationKind.AllocateZeroed when mayGrow:
                byte* zeroed = (byte*)arena.AllocateZeroed(bytes);
                Assert.That(new ReadOnlySpan<byte>(zeroed, operation.Size).IndexOfAnyExcept((byte)0), Is.Negative, "zeroed");
                Add(zeroed, bytes);
                break;
            case OperationKind.Reallocate when mayGrow && _model.Count != 0:
                void* from = Pick(operation);
                _model.Moved(from, arena.Reallocate(from, bytes), bytes);
                break;
            case OperationKind.Free when _model.Count != 0:
                arena.Free(Forget(operation));
                break;
            case OperationKind.FreeByHandle when _model.Count != 0:
                arena.GetHandle().Free(Forget(operation));
                break;
            case OperationKind.FreeMany:
                for (int count = _model.Count / 2; count > 0; count--)
                {
                    arena.Free(Forget(operation with { Which = operation.Which + count }));
                }

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
