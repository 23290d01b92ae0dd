using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace SuperSlab.Collections;

/// <summary>
/// Elements that leave in the order in which they came, in an arena or a lane. A struct of 16 bytes to be copied
/// freely:
/// copies are the same queue. Hot-loop safe; one thread at a time uses it.
/// </summary>
/// <typeparam name="T">The elements, which may be containers themselves.</typeparam>
[SuppressMessage("Naming", "CA1711", Justification = "It is a queue.")]
public unsafe struct NativeQueue<T> : IDisposable
    where T : unmanaged
{
    private ContainerHandle _handle;

    /// <summary>Makes an empty queue.</summary>
    /// <inheritdoc cref="NativeList{T}(ArenaRef, int, string, int)"/>
    public NativeQueue(
        ArenaRef arena, int capacity = 0, [CallerFilePath] string file = "", [CallerLineNumber] int line = 0) =>
        _handle = ContainerHandle.Make<RingHeader>(arena, typeof(NativeQueue<T>), file, line, capacity, sizeof(T));

    /// <summary>Whether it was made, and not disposed under this name.</summary>
    public readonly bool IsCreated => _handle.IsCreated;

    /// <summary>The number of elements.</summary>
    public readonly int Count => _handle.Count;

    /// <summary>For how many elements there is room.</summary>
    public readonly int Capacity => _handle.Read()->Capacity;

    /// <summary>An element, counted from the next to leave. Valid until the queue changes.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no such element.</exception>
    public readonly ref T this[int index] => ref RingHeader.At<T>(_handle, index);

    /// <summary>Adds an element.</summary>
    /// <exception cref="EngineOutOfMemoryException">There is no memory. Nothing has changed.</exception>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public readonly void Enqueue(T item)
    {
        RingHeader* ring = (RingHeader*)_handle.Fast;
        if (ring->Common.Count == ring->Common.Capacity)
            EnqueueSlow(_handle, item);
        else
            RingHeader.Add(ring, item);
    }

    /// <summary>Removes the element that came first.</summary>
    /// <returns>The element.</returns>
    /// <exception cref="InvalidOperationException">The queue is empty.</exception>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public readonly T Dequeue()
    {
        RingHeader* ring = (RingHeader*)_handle.Fast;
        return ring->Common.Count == 0 ? RingHeader.RemoveSlow<T>(_handle) : RingHeader.Remove<T>(ring);
    }

    /// <summary>Removes the element that came first, if there is one.</summary>
    /// <param name="item">The element.</param>
    /// <returns>Whether there was one.</returns>
    public readonly bool TryDequeue(out T item)
    {
        bool has = _handle.Count != 0;
        item = has ? Dequeue() : default;
        return has;
    }

    /// <summary>Removes all elements; the room stays.</summary>
    public readonly void Clear() => RingHeader.Clear(_handle);

    /// <summary>Makes room for a number of elements in all.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The number is negative, or the arena can never hold
    /// it.</exception>
    /// <inheritdoc cref="Enqueue"/>
    public readonly void EnsureCapacity(int capacity)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(capacity);
        RingHeader* ring = (RingHeader*)_handle.BeginWrite();
        if (ring->Common.Capacity < capacity)
            RingHeader.Grow(_handle, ring, capacity, sizeof(T));

        _handle.EndWrite();
    }

    /// <inheritdoc cref="NativeArray{T}.Dispose"/>
    public void Dispose() => ContainerHandle.Dispose(ref _handle);

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void EnqueueSlow(ContainerHandle handle, T item)
    {
        RingHeader* ring = (RingHeader*)handle.BeginWrite();
        if (ring->Common.Count == ring->Common.Capacity)
            RingHeader.Grow(handle, ring, ring->Common.Count + 1L, sizeof(T));

        RingHeader.Add(ring, item);
        handle.EndWrite();
    }
}

/// <summary>Elements in a circle, of a queue or a ring. Equation: Head &lt; Capacity, or both are 0.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct RingHeader
{
    public ContainerHeader Common;

    /// <summary>Where the first element is.</summary>
    public int Head;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Add<T>(RingHeader* ring, T item)
        where T : unmanaged
    {
        ((T*)ring->Common.Data)[Wrap(ring, ring->Head + (uint)ring->Common.Count)] = item;
        ring->Common.Count++;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Remove<T>(RingHeader* ring)
        where T : unmanaged
    {
        int head = ring->Head;
        T item = ((T*)ring->Common.Data)[head];
        head++;
        ring->Head = head == ring->Common.Capacity ? 0 : head;
        ring->Common.Count--;
        return item;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    public static T RemoveSlow<T>(ContainerHandle handle)
        where T : unmanaged
    {
        RingHeader* ring = (RingHeader*)handle.BeginWrite();
        if (ring->Common.Count == 0)
        {
            handle.EndWrite();
            throw new InvalidOperationException($"{ContainerChecks.Describe(handle)} is empty.");
        }

        T item = Remove<T>(ring);
        handle.EndWrite();
        return item;
    }

    public static ref T At<T>(ContainerHandle handle, int index)
        where T : unmanaged
    {
        RingHeader* ring = (RingHeader*)handle.Read();
        if ((uint)index >= (uint)ring->Common.Count)
            ContainerChecks.ThrowIndex(handle, index, ring->Common.Count);

        return ref ((T*)ring->Common.Data)[Wrap(ring, ring->Head + (uint)index)];
    }

    public static void Clear(ContainerHandle handle)
    {
        RingHeader* ring = (RingHeader*)handle.BeginWrite();
        ring->Common.Count = 0;
        ring->Head = 0;
        handle.EndWrite();
    }

    /// <summary>Makes room; elements before the end of the old room move to the end of the new one.</summary>
    public static void Grow(ContainerHandle handle, RingHeader* ring, long needed, int elementBytes)
    {
        int before = ring->Common.Capacity;
        ContainerHandle.Grow(handle, &ring->Common, needed, elementBytes);
        if (ring->Head + (long)ring->Common.Count <= before)
            return;

        byte* data = (byte*)ring->Common.Data;
        long bytes = (before - ring->Head) * (long)elementBytes;
        int head = ring->Common.Capacity - (before - ring->Head);
        Buffer.MemoryCopy(
            data + (ring->Head * (long)elementBytes), data + (head * (long)elementBytes), bytes, bytes);
        ring->Head = head;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static nint Wrap(RingHeader* ring, long index) =>
        (nint)(index >= ring->Common.Capacity ? index - ring->Common.Capacity : index);
}
