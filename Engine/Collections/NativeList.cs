using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;

namespace SuperSlab.Collections;

/// <summary>
/// Elements in order that grow in number, in an arena or a lane. A struct of 16 bytes to be copied freely: copies are
/// the same list. Growing doubles the room, in place where the arena can. Hot-loop safe; one thread at a time changes
/// it, any number read it.
/// </summary>
/// <typeparam name="T">The elements, which may be containers themselves.</typeparam>
public unsafe struct NativeList<T> : IDisposable
    where T : unmanaged
{
    private ContainerHandle _handle;

    /// <summary>Makes an empty list.</summary>
    /// <param name="arena">Where it lies: a long-lived arena, a small arena or a lane.</param>
    /// <param name="capacity">For how many elements it has room at once.</param>
    /// <param name="file">Left out: where it is made, for messages.</param>
    /// <param name="line">Left out: the line there.</param>
    /// <exception cref="ArgumentOutOfRangeException">The capacity is negative, or the arena can never hold
    /// it.</exception>
    /// <exception cref="EngineOutOfMemoryException">There is no memory.</exception>
    /// <exception cref="ObjectDisposedException">The arena is disposed.</exception>
    public NativeList(
        ArenaRef arena, int capacity = 0, [CallerFilePath] string file = "", [CallerLineNumber] int line = 0) =>
        _handle = ContainerHandle.Make<ContainerHeader>(arena, typeof(NativeList<T>), file, line, capacity, sizeof(T));

    /// <summary>Whether it was made, and not disposed under this name.</summary>
    public readonly bool IsCreated => _handle.IsCreated;

    /// <summary>The number of elements.</summary>
    public readonly int Count
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => _handle.Count;
    }

    /// <summary>For how many elements there is room.</summary>
    public readonly int Capacity => _handle.Read()->Capacity;

    /// <summary>An element, to be read or written. Valid until the list grows.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no such element.</exception>
    public readonly ref T this[int index]
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => ref _handle.Element<T>(index);
    }

    /// <summary>The elements. Valid until the list grows.</summary>
    public readonly Span<T> AsSpan() => _handle.Elements<T>();

    /// <summary>The elements in order.</summary>
    public readonly ElementEnumerator<T> GetEnumerator() => new(_handle);

    /// <summary>Adds an element at the end.</summary>
    /// <exception cref="EngineOutOfMemoryException">There is no memory. Nothing has changed.</exception>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public readonly void Add(T item)
    {
        ContainerHeader* header = _handle.Fast;
        int count = header->Count;
        if (count == header->Capacity)
        {
            AddSlow(_handle, item);
            return;
        }

        ((T*)header->Data)[count] = item;
        header->Count = count + 1;
    }

    /// <summary>Adds an element for which there is room.</summary>
    /// <exception cref="InvalidOperationException">There is no room. Nothing has changed.</exception>
    public readonly void AddNoResize(T item)
    {
        ContainerHeader* header = _handle.BeginWrite();
        int count = header->Count;
        bool hasRoom = count != header->Capacity;
        if (hasRoom)
        {
            ((T*)header->Data)[count] = item;
            header->Count = count + 1;
        }

        _handle.EndWrite();
        if (!hasRoom)
            ContainerChecks.ThrowFull(_handle);
    }

    /// <summary>Adds elements at the end. They may be the list's own.</summary>
    /// <inheritdoc cref="Add(T)"/>
    public readonly void AddRange(ReadOnlySpan<T> items) => InsertRange(_handle.Read()->Count, items);

    /// <summary>Adds elements at the end whose contents are undefined, for the caller to write.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The number is negative.</exception>
    /// <inheritdoc cref="Add(T)"/>
    public readonly Span<T> AddSpan(int count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        int index = _handle.Read()->Count;
        return Open(index, count);
    }

    /// <summary>Inserts an element before another, or at the end.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The index is negative or above the number of
    /// elements.</exception>
    /// <inheritdoc cref="Add(T)"/>
    public readonly void Insert(int index, T item) => Open(index, 1)[0] = item;

    /// <summary>Inserts elements before another, or at the end. They may be the list's own.</summary>
    /// <inheritdoc cref="Insert"/>
    public readonly void InsertRange(int index, ReadOnlySpan<T> items)
    {
        // The list's own elements move while room is made for them.
        Span<T> before = _handle.Elements<T>();
        if (!before.Overlaps(items, out int offset))
        {
            items.CopyTo(Open(index, items.Length));
            return;
        }

        Debug.Assert(offset >= 0, "only a part of the list overlaps it from inside");
        Span<T> room = Open(index, items.Length);
        Span<T> all = _handle.Elements<T>();
        int beforeGap = Math.Clamp(index - offset, 0, items.Length);
        all.Slice(offset, beforeGap).CopyTo(room);
        all.Slice(offset + beforeGap + items.Length, items.Length - beforeGap).CopyTo(room[beforeGap..]);
    }

    /// <summary>Removes an element and moves those behind it forward.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no such element.</exception>
    public readonly void RemoveAt(int index) => RemoveRange(index, 1);

    /// <summary>Removes an element and puts the last one in its place: the order changes, the time does not depend on
    /// the number.</summary>
    /// <inheritdoc cref="RemoveAt"/>
    public readonly void RemoveAtSwapBack(int index)
    {
        ContainerHeader* header = _handle.BeginWrite(index, 1);
        int last = header->Count - 1;
        ((T*)header->Data)[index] = ((T*)header->Data)[last];
        header->Count = last;
        _handle.EndWrite();
    }

    /// <summary>Removes neighbouring elements and moves those behind them forward.</summary>
    /// <exception cref="ArgumentOutOfRangeException">They are not all in the list.</exception>
    public readonly void RemoveRange(int index, int count)
    {
        ContainerHeader* header = _handle.BeginWrite(index, count);
        Span<T> all = new(header->Data, header->Count);
        all[(index + count)..].CopyTo(all[index..]);
        header->Count -= count;
        _handle.EndWrite();
    }

    /// <summary>Removes the last element.</summary>
    /// <returns>The element.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The list is empty.</exception>
    public readonly T RemoveLast()
    {
        ContainerHeader* header = _handle.BeginWrite(_handle.Read()->Count - 1, 1);
        T last = ((T*)header->Data)[--header->Count];
        _handle.EndWrite();
        return last;
    }

    /// <summary>Removes all elements; the room stays.</summary>
    public readonly void Clear()
    {
        _handle.BeginWrite()->Count = 0;
        _handle.EndWrite();
    }

    /// <summary>Makes room for a number of elements in all.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The number is negative, or the arena can never hold
    /// it.</exception>
    /// <inheritdoc cref="Add(T)"/>
    public readonly void EnsureCapacity(int capacity)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(capacity);
        ContainerHeader* header = _handle.BeginWrite();
        if (header->Capacity < capacity)
            ContainerHandle.Grow(_handle, header, capacity, sizeof(T));

        _handle.EndWrite();
    }

    /// <summary>The list for threads that add elements at once, for which there is room.</summary>
    public readonly ParallelWriter AsParallelWriter() => new(_handle);

    /// <inheritdoc cref="NativeArray{T}.AsReadOnly"/>
    public readonly ReadOnlyElements<T> AsReadOnly() => new(_handle);

    /// <inheritdoc cref="NativeArray{T}.Dispose"/>
    public void Dispose() => ContainerHandle.Dispose(ref _handle);

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void AddSlow(ContainerHandle handle, T item)
    {
        ContainerHeader* header = handle.BeginWrite();
        if (header->Count == header->Capacity)
            ContainerHandle.Grow(handle, header, header->Count + 1L, sizeof(T));

        ((T*)header->Data)[header->Count++] = item;
        handle.EndWrite();
    }

    /// <summary>Makes a gap of elements that belong to the list already, their contents undefined.</summary>
    private readonly Span<T> Open(int index, int count)
    {
        ContainerHeader* header = _handle.BeginWrite();
        int before = header->Count;
        if ((uint)index > (uint)before)
        {
            _handle.EndWrite();
            ContainerChecks.ThrowIndex(_handle, index, before);
        }

        long after = (long)before + count;
        if (after > header->Capacity)
            ContainerHandle.Grow(_handle, header, after, sizeof(T));

        header->Count = (int)after;
        Span<T> all = new(header->Data, (int)after);
        all[index..before].CopyTo(all[(index + count)..]);
        _handle.EndWrite();
        return all.Slice(index, count);
    }

    /// <summary>Adds elements from many threads at once, in no order. Nobody reads the list or changes it otherwise
    /// meanwhile.</summary>
    [SuppressMessage("Design", "CA1034", Justification = "Its name is said with that of the list only.")]
    public readonly struct ParallelWriter
    {
        private readonly ContainerHandle _handle;

        internal ParallelWriter(ContainerHandle handle) => _handle = handle;

        /// <summary>Adds an element for which there is room.</summary>
        /// <exception cref="InvalidOperationException">There is no room. Nothing has changed.</exception>
        public void AddNoResize(T item) => AddRangeNoResize(new ReadOnlySpan<T>(in item));

        /// <summary>Adds elements for which there is room, side by side: cheaper than one by one, because threads meet
        /// once for all of them.</summary>
        /// <inheritdoc cref="AddNoResize"/>
        public void AddRangeNoResize(ReadOnlySpan<T> items)
        {
            ContainerHeader* header = _handle.BeginTogether();
            int first = ContainerHandle.TakeTogether(header, items.Length);
            if (first >= 0)
                items.CopyTo(new Span<T>((T*)header->Data + first, items.Length));

            _handle.EndTogether();
            if (first < 0)
                ContainerChecks.ThrowFull(_handle);
        }
    }
}
