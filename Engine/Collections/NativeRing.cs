using System.Runtime.CompilerServices;

namespace SuperSlab.Collections;

/// <summary>
/// The last elements of a fixed number, in an arena or a lane: a history that overwrites its oldest element
/// (<see cref="Push"/>), or a queue that refuses when it is full (<see cref="TryPush"/>). A struct of 16 bytes to be
/// copied freely: copies are the same ring. Hot-loop safe; one thread at a time uses it.
/// </summary>
/// <typeparam name="T">The elements.</typeparam>
public unsafe struct NativeRing<T> : IDisposable
    where T : unmanaged
{
    private ContainerHandle _handle;

    /// <summary>Makes an empty ring.</summary>
    /// <param name="arena">Where it lies: a long-lived arena, a small arena or a lane.</param>
    /// <param name="capacity">The most elements that it holds; at least 1.</param>
    /// <param name="file">Left out: where it is made, for messages.</param>
    /// <param name="line">Left out: the line there.</param>
    /// <exception cref="ArgumentOutOfRangeException">The capacity is below 1, or the arena can never hold
    /// it.</exception>
    /// <exception cref="EngineOutOfMemoryException">There is no memory.</exception>
    /// <exception cref="ObjectDisposedException">The arena is disposed.</exception>
    public NativeRing(
        ArenaRef arena, int capacity, [CallerFilePath] string file = "", [CallerLineNumber] int line = 0)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(capacity, 1);
        _handle = ContainerHandle.Make<RingHeader>(arena, typeof(NativeRing<T>), file, line, capacity, sizeof(T));
        _handle.Read()->Capacity = capacity;
    }

    /// <summary>Whether it was made, and not disposed under this name.</summary>
    public readonly bool IsCreated => _handle.IsCreated;

    /// <summary>The number of elements.</summary>
    public readonly int Count => _handle.Count;

    /// <summary>The most elements that it holds.</summary>
    public readonly int Capacity => _handle.Read()->Capacity;

    /// <summary>An element, counted from the oldest. Valid until the ring changes.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no such element.</exception>
    public readonly ref T this[int index] => ref RingHeader.At<T>(_handle, index);

    /// <summary>Adds an element, in the place of the oldest where the ring is full.</summary>
    public readonly void Push(T item)
    {
        RingHeader* ring = (RingHeader*)_handle.BeginWrite();
        if (ring->Common.Count == ring->Common.Capacity)
            RingHeader.Remove<T>(ring);

        RingHeader.Add(ring, item);
        _handle.EndWrite();
    }

    /// <summary>Adds an element unless the ring is full.</summary>
    /// <returns>Whether it was added.</returns>
    public readonly bool TryPush(T item)
    {
        RingHeader* ring = (RingHeader*)_handle.BeginWrite();
        bool hasRoom = ring->Common.Count != ring->Common.Capacity;
        if (hasRoom)
            RingHeader.Add(ring, item);

        _handle.EndWrite();
        return hasRoom;
    }

    /// <summary>Removes the oldest element, if there is one.</summary>
    /// <param name="item">The element.</param>
    /// <returns>Whether there was one.</returns>
    public readonly bool TryPop(out T item)
    {
        bool has = _handle.Count != 0;
        item = has ? RingHeader.RemoveSlow<T>(_handle) : default;
        return has;
    }

    /// <summary>Removes all elements.</summary>
    public readonly void Clear() => RingHeader.Clear(_handle);

    /// <inheritdoc cref="NativeArray{T}.Dispose"/>
    public void Dispose() => ContainerHandle.Dispose(ref _handle);
}
