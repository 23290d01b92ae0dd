using System.Numerics;
using System.Runtime.CompilerServices;

namespace SuperSlab.Collections;

/// <summary>
/// Elements from one thread to one other, in order, without locks and without waiting, in an arena or a lane. A struct
/// of 16 bytes to be copied freely: copies are the same ring. Hot-loop safe. One thread at a time pushes, one at a time
/// pops. Make and dispose it while no other thread uses it.
/// </summary>
/// <typeparam name="T">The elements.</typeparam>
public unsafe struct NativeSpscRing<T> : IDisposable
    where T : unmanaged
{
    private const int MostElements = 1 << 30;

    private ContainerHandle _handle;

    /// <summary>Makes an empty ring.</summary>
    /// <param name="arena">Where it lies: a long-lived arena, a small arena or a lane.</param>
    /// <param name="capacity">The most elements that it holds: 1 to 1,073,741,824.</param>
    /// <param name="file">Left out: where it is made, for messages.</param>
    /// <param name="line">Left out: the line there.</param>
    /// <exception cref="ArgumentOutOfRangeException">The capacity is outside, or the arena can never hold
    /// it.</exception>
    /// <inheritdoc cref="NativeRing{T}(ArenaRef, int, string, int)"/>
    public NativeSpscRing(
        ArenaRef arena, int capacity, [CallerFilePath] string file = "", [CallerLineNumber] int line = 0)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(capacity, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(capacity, MostElements);
        int places = (int)BitOperations.RoundUpToPowerOf2((uint)capacity);
        _handle = ContainerHandle.Make<SpscHeader>(arena, typeof(NativeSpscRing<T>), file, line, places, sizeof(T));
        SpscHeader* ring = (SpscHeader*)_handle.Read();
        ring->Common.Capacity = capacity;
        ring->Mask = places - 1;
    }

    /// <summary>Whether it was made, and not disposed under this name.</summary>
    public readonly bool IsCreated => _handle.IsCreated;

    /// <summary>The number of elements, which the other thread may be changing.</summary>
    public readonly int Count => SpscHeader.Count((SpscHeader*)_handle.Read());

    /// <summary>The most elements that it holds.</summary>
    public readonly int Capacity => _handle.Read()->Capacity;

    /// <summary>Adds an element unless the ring is full. By the producer.</summary>
    /// <returns>Whether it was added.</returns>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public readonly bool TryPush(T item)
    {
        bool hadRoom = SpscHeader.TryPush((SpscHeader*)_handle.BeginWrite(), item);
        _handle.EndWrite();
        return hadRoom;
    }

    /// <summary>Removes the oldest element, if there is one. By the consumer.</summary>
    /// <param name="item">The element.</param>
    /// <returns>Whether there was one.</returns>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public readonly bool TryPop(out T item)
    {
        bool had = SpscHeader.TryPop((SpscHeader*)_handle.BeginTake(), out item);
        _handle.EndTake();
        return had;
    }

    /// <inheritdoc cref="NativeArray{T}.Dispose"/>
    public void Dispose() => ContainerHandle.Dispose(ref _handle);
}
