using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;

namespace SuperSlab.Collections;

/// <summary>
/// Elements that leave by priority, the least first, in an arena or a lane: a heap in which each node has four
/// children, so that a step down reads one cache line. Elements of the same priority leave in no order. A struct of 16
/// bytes to be copied freely: copies are the same queue. Hot-loop safe; one thread at a time uses it.
/// </summary>
/// <typeparam name="T">The elements.</typeparam>
/// <typeparam name="TPriority">The priorities; CompareTo must not throw.</typeparam>
[SuppressMessage("Naming", "CA1711", Justification = "It is a queue.")]
public unsafe struct NativePriorityQueue<T, TPriority> : IDisposable
    where T : unmanaged
    where TPriority : unmanaged, IComparable<TPriority>
{
    private const int Children = 4;

    private ContainerHandle _handle;

    /// <summary>Makes an empty queue.</summary>
    /// <inheritdoc cref="NativeList{T}(ArenaRef, int, string, int)"/>
    public NativePriorityQueue(
        ArenaRef arena, int capacity = 0, [CallerFilePath] string file = "", [CallerLineNumber] int line = 0) =>
        _handle = ContainerHandle.Make<ContainerHeader>(
            arena, typeof(NativePriorityQueue<T, TPriority>), file, line, capacity, sizeof(Node));

    /// <summary>Whether it was made, and not disposed under this name.</summary>
    public readonly bool IsCreated => _handle.IsCreated;

    /// <summary>The number of elements.</summary>
    public readonly int Count => _handle.Count;

    /// <summary>For how many elements there is room.</summary>
    public readonly int Capacity => _handle.Read()->Capacity;

    /// <summary>Adds an element.</summary>
    /// <exception cref="EngineOutOfMemoryException">There is no memory. Nothing has changed.</exception>
    public readonly void Enqueue(T item, TPriority priority)
    {
        ContainerHeader* header = _handle.BeginWrite();
        if (header->Count == header->Capacity)
            ContainerHandle.Grow(_handle, header, header->Count + 1L, sizeof(Node));

        Node* nodes = (Node*)header->Data;
        nint at = header->Count++;
        while (at != 0)
        {
            nint parent = (at - 1) / Children;
            if (!IsBefore(priority, nodes[parent].Priority))
                break;

            nodes[at] = nodes[parent];
            at = parent;
        }

        nodes[at] = new Node { Item = item, Priority = priority };
        _handle.EndWrite();
    }

    /// <summary>Removes an element of the least priority.</summary>
    /// <returns>The element.</returns>
    /// <exception cref="InvalidOperationException">The queue is empty.</exception>
    public readonly T Dequeue() => TryDequeue(out T item, out _)
        ? item
        : throw new InvalidOperationException($"{ContainerChecks.Describe(_handle)} is empty.");

    /// <summary>Removes an element of the least priority, if there is one.</summary>
    /// <param name="item">The element.</param>
    /// <param name="priority">Its priority.</param>
    /// <returns>Whether there was one.</returns>
    public readonly bool TryDequeue(out T item, out TPriority priority)
    {
        ContainerHeader* header = _handle.BeginWrite();
        int count = header->Count;
        if (count == 0)
        {
            _handle.EndWrite();
            item = default;
            priority = default;
            return false;
        }

        Node* nodes = (Node*)header->Data;
        item = nodes->Item;
        priority = nodes->Priority;
        header->Count = --count;
        SinkHole(nodes, count);
        _handle.EndWrite();
        return true;
    }

    /// <summary>Reads an element of the least priority, if there is one.</summary>
    /// <param name="item">The element.</param>
    /// <param name="priority">Its priority.</param>
    /// <returns>Whether there is one.</returns>
    public readonly bool TryPeek(out T item, out TPriority priority)
    {
        ContainerHeader* header = _handle.Read();
        Node first = header->Count == 0 ? default : *(Node*)header->Data;
        item = first.Item;
        priority = first.Priority;
        return header->Count != 0;
    }

    /// <summary>Removes all elements; the room stays.</summary>
    public readonly void Clear()
    {
        _handle.BeginWrite()->Count = 0;
        _handle.EndWrite();
    }

    /// <inheritdoc cref="NativeArray{T}.Dispose"/>
    public void Dispose() => ContainerHandle.Dispose(ref _handle);

    /// <summary>Fills the hole at the top: the least child moves up until there is none, and the last element rises
    /// from there. It seldom rises far, so this compares less than sinking it from the top.</summary>
    private static void SinkHole(Node* nodes, int count)
    {
        nint hole = 0;
        nint child;
        while ((child = (hole * Children) + 1) + Children <= count)
        {
            // Sums of comparisons and no branches: which child is the least cannot be foreseen.
            nint left = child + Before(nodes + child + 1, nodes + child);
            nint right = child + 2 + Before(nodes + child + 3, nodes + child + 2);
            child = left + ((right - left) * Before(nodes + right, nodes + left));
            nodes[hole] = nodes[child];
            hole = child;
        }

        if (child < count)
        {
            nint least = child;
            while (++child < count)
                least = IsBefore(nodes[child].Priority, nodes[least].Priority) ? child : least;

            nodes[hole] = nodes[least];
            hole = least;
        }

        Node last = nodes[count];
        while (hole != 0)
        {
            nint parent = (hole - 1) / Children;
            if (!IsBefore(last.Priority, nodes[parent].Priority))
                break;

            nodes[hole] = nodes[parent];
            hole = parent;
        }

        nodes[hole] = last;
    }

    /// <summary>1 where a node leaves before another, else 0.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static nint Before(Node* one, Node* other) => IsBefore(one->Priority, other->Priority) ? 1 : 0;

    /// <summary>What CompareTo says, in one instruction for the whole numbers that have one.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static bool IsBefore(TPriority one, TPriority other) =>
        typeof(TPriority) == typeof(int) ? Unsafe.BitCast<TPriority, int>(one) < Unsafe.BitCast<TPriority, int>(other)
        : typeof(TPriority) == typeof(uint)
            ? Unsafe.BitCast<TPriority, uint>(one) < Unsafe.BitCast<TPriority, uint>(other)
        : typeof(TPriority) == typeof(long)
            ? Unsafe.BitCast<TPriority, long>(one) < Unsafe.BitCast<TPriority, long>(other)
        : typeof(TPriority) == typeof(ulong)
            ? Unsafe.BitCast<TPriority, ulong>(one) < Unsafe.BitCast<TPriority, ulong>(other)
        : one.CompareTo(other) < 0;

    private struct Node
    {
        public TPriority Priority;
        public T Item;
    }
}
