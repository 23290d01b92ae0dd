using System.Collections.Concurrent;
using Engine.Arenas;
using Engine.Tests.Support;

namespace Engine.Tests.Models;

/// <summary>
/// Programs of several threads at the same time in one arena: each thread has a model of its own blocks, and frees blocks that the others
/// handed to it.
/// </summary>
internal sealed unsafe class ConcurrentRun(LongLivedArena arena, int threads)
{
    private static readonly nuint s_mostLiveBytes = Size.MiB(40);
    private readonly ShadowModel[] _models = [.. Enumerable.Range(0, threads).Select(_ => new ShadowModel())];
    private readonly ConcurrentQueue<nint>[] _handed = [.. Enumerable.Range(0, threads).Select(_ => new ConcurrentQueue<nint>())];

    public void Do(int thread, Operation[] program)
    {
        ShadowModel model = _models[thread];
        foreach (Operation operation in program)
        {
            while (_handed[thread].TryDequeue(out nint block))
            {
                arena.Free((void*)block);
            }

            nuint bytes = (nuint)operation.Size;
            switch (operation.Kind)
            {
                case OperationKind.Reallocate when model.Count != 0 && model.LiveBytes < s_mostLiveBytes:
                    void* from = model.Pick(new Random(operation.Which), out _);
                    model.Moved(from, arena.Reallocate(from, bytes), bytes);
                    break;
                case <= OperationKind.Reallocate when model.LiveBytes < s_mostLiveBytes:
                    nuint alignment = (nuint)16 << (operation.Which % 10);
                    model.Add(arena.GetHandle().Allocate(bytes, alignment), bytes, alignment);
                    break;
                case OperationKind.Free or OperationKind.FreeByHandle or OperationKind.FreeMany when model.Count != 0:
                    void* freed = model.Pick(new Random(operation.Which), out _);
                    model.Remove(freed);
                    _handed[operation.Actor % threads].Enqueue((nint)freed);
                    break;
            }
        }
    }

    /// <summary>After the threads: all contents are right, and all goes back.</summary>
    public void End()
    {
        foreach (ShadowModel model in _models)
        {
            model.CheckAll();
        }

        arena.Validate();
        foreach (ConcurrentQueue<nint> queue in _handed)
        {
            foreach (nint block in queue)
            {
                arena.Free((void*)block);
            }
        }

        foreach (ShadowModel model in _models)
        {
            model.Drain(block => arena.Free((void*)block));
        }

        Assert.That(arena.LiveBlocks(), Is.Empty);
        arena.Trim();
        Assert.That(arena.SuperSlabCount, Is.Zero, "nothing is held back");
    }
}
