using System.Diagnostics.CodeAnalysis;
using System.Numerics;
using System.Runtime.CompilerServices;

namespace SuperSlab.Collections;

/// <summary>
/// A bounded queue between any threads, without locks, in an arena or a lane. Elements leave in the order in which they
/// came; those of one producer in its order. A struct of 16 bytes to be copied freely: copies are the same queue.
/// Hot-loop safe. Any number of threads enqueue and dequeue at once. Make and dispose it while no other thread uses it.
/// </summary>
/// <typeparam name="T">The elements.</typeparam>
[SuppressMessage("Naming", "CA1711", Justification = "It is a queue.")]
public unsafe struct NativeMpmcQueue<T> : IDisposable
    where T : unmanaged
{
    private const int MostElements = 1 << 30;

    private ContainerHandle _handle;

    /// <summary>Makes an empty queue.</summary>
    /// <param name="arena">Where it lies: a long-lived arena, a small arena or a lane.</param>
    /// <param name="capacity">The most elements that it holds, rounded up to a power of two: 2 to
    /// 1,073,741,824.</param>
    /// <param name="file">Left out: where it is made, for messages.</param>
    /// <param name="line">Left out: the line there.</param>
    /// <inheritdoc cref="NativeSpscRing{T}(ArenaRef, int, string, int)"/>
    public NativeMpmcQueue(
        ArenaRef arena, int capacity, [CallerFilePath] string file = "", [CallerLineNumber] int line = 0)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(capacity, 2);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(capacity, MostElements);
        int cells = (int)BitOperations.RoundUpToPowerOf2((uint)capacity);
        _handle = ContainerHandle.Make<MpmcHeader>(
            arena, typeof(NativeMpmcQueue<T>), file, line, cells, sizeof(MpmcHeader.Cell<T>));
        MpmcHeader.Begin<T>((MpmcHeader*)_handle.Read(), cells);
    }

    /// <summary>Whether it was made, and not disposed under this name.</summary>
    public readonly bool IsCreated => _handle.IsCreated;

    /// <summary>The number of elements, which other threads may be changing.</summary>
    public readonly int Count => MpmcHeader.Count((MpmcHeader*)_handle.Read());

    /// <summary>The most elements that it holds.</summary>
    public readonly int Capacity => _handle.Read()->Capacity;

    /// <summary>Adds an element unless the queue is full.</summary>
    /// <returns>Whether it was added.</returns>
    public readonly bool TryEnqueue(T item)
    {
        bool hadRoom = MpmcHeader.TryEnqueue((MpmcHeader*)_handle.BeginTogether(), item);
        _handle.EndTogether();
        return hadRoom;
    }

    /// <summary>Removes the element that came first, if there is one.</summary>
    /// <param name="item">The element.</param>
    /// <returns>Whether there was one.</returns>
    public readonly bool TryDequeue(out T item)
    {
        bool had = MpmcHeader.TryDequeue((MpmcHeader*)_handle.BeginTogether(), out item);
        _handle.EndTogether();
        return had;
    }

    /// <inheritdoc cref="NativeArray{T}.Dispose"/>
    public void Dispose() => ContainerHandle.Dispose(ref _handle);
}
