using System.Diagnostics.CodeAnalysis;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace SuperSlab.Collections;

/// <summary>
/// Elements in order that grow in number and never move, in an arena or a lane: references and pointers to them stay
/// valid until they are removed, so others may hold them. A struct of 16 bytes to be copied freely: copies are the same
/// list. Hot-loop safe; one thread at a time changes it, any number read it.
/// <code>
/// using StableList&lt;Body&gt; bodies = new(arena);
/// Body* body = (Body*)Unsafe.AsPointer(ref bodies.Add(new Body()));   // stays where it is
/// foreach (Span&lt;Body&gt; some in bodies.Spans)
///     Move(some);                                                     // at an array's speed
/// using StableList&lt;Body&gt; all = new(arena, capacity: 1_000, maximumCount: 1_000_000);
/// Move(all.AsSpan());                                                 // one span: an array that grows where it is
/// </code>
/// </summary>
/// <remarks>
/// Elements lie in chunks, each twice as large as the one before, and a table has where they are: at most half of the
/// room is empty, as in a list, and what is there is never copied. Chunk k has the elements with the numbers 2^k to
/// 2^(k+1) - 1, counted from the first chunk's length; so the logarithm of a number is its chunk, and the number itself
/// its place. With a maximum count, in a long-lived arena, all lie in one <see cref="ReservedRange"/>, to which the
/// whole table points: it grows by 2 MiB, so it is for many elements or few lists.
/// </remarks>
/// <typeparam name="T">The elements, which may be containers themselves.</typeparam>
public unsafe struct StableList<T> : IDisposable
    where T : unmanaged
{
    /// <summary>Numbers begin with it: the logarithm of the first chunk's length.</summary>
    private const int FirstChunk = 4;
    private const int FirstNumber = 1 << FirstChunk;
    private const int MostElements = int.MaxValue - FirstNumber;

    private ContainerHandle _handle;

    /// <summary>Makes an empty list.</summary>
    /// <param name="arena">Where it lies.</param>
    /// <param name="capacity">For how many elements there is room now.</param>
    /// <param name="maximumCount">The most elements that there may ever be, in a reserved range of a long-lived arena,
    /// which takes addresses only; 0, the default, for a list in chunks without a maximum.</param>
    /// <param name="file">Where it is made, for messages of checks.</param>
    /// <param name="line">The line there.</param>
    /// <exception cref="ArgumentException">It has a maximum, and the reference is to a small arena or a lane, which
    /// reserve nothing.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A number is negative, the maximum is below the capacity, or above
    /// what the arena can hold.</exception>
    /// <exception cref="EngineOutOfMemoryException">There is no memory for the capacity, or there are no such
    /// addresses.</exception>
    public StableList(
        ArenaRef arena, int capacity = 0, int maximumCount = 0,
        [CallerFilePath] string file = "", [CallerLineNumber] int line = 0)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(capacity);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(maximumCount, MostElements);
        LongLivedArena? reserving = null;
        if (maximumCount != 0)
        {
            ArgumentOutOfRangeException.ThrowIfLessThan(maximumCount, Math.Max(capacity, 1));
            reserving = arena.LongLived ?? throw new ArgumentException(
                $"{arena} reserves no ranges; a StableList with a maximum count lies in a long-lived arena.",
                nameof(arena));
        }

        _handle = ContainerHandle.Make<Header>(arena, typeof(StableList<T>), file, line);
        try
        {
            if (reserving is not null)
                Begin((Header*)_handle.Read(), reserving, maximumCount);

            EnsureCapacity(capacity);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Whether it was made, and not disposed under this name.</summary>
    public readonly bool IsCreated => _handle.IsCreated;

    /// <summary>The number of elements.</summary>
    public readonly int Count => _handle.Count;

    /// <summary>For how many elements there is room.</summary>
    public readonly int Capacity => _handle.Read()->Capacity;

    /// <summary>An element, to be read or written. Valid until it is removed.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no such element.</exception>
    public readonly ref T this[int index]
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get
        {
            Header* header = (Header*)_handle.Fast;
            return ref (uint)index < (uint)header->Common.Count ? ref *At(header, index) : ref *AtSlow(_handle, index);
        }
    }

    /// <summary>The elements as spans, in order: few and long ones. Valid until they are removed.</summary>
    public readonly SpanEnumerator Spans => new(_handle);

    /// <summary>The elements as one span, in order, of a list with a maximum count. Valid until they are
    /// removed.</summary>
    /// <exception cref="InvalidOperationException">The list was made without a maximum count.</exception>
    public readonly Span<T> AsSpan()
    {
        Header* header = (Header*)_handle.Read();
        return header->MaximumCount != 0 ? new Span<T>(header->Common.Data, header->Common.Count)
            : throw new InvalidOperationException(
                "A StableList without a maximum count lies in several pieces; its Spans are them.");
    }

    /// <summary>Adds an element at the end.</summary>
    /// <returns>The element where it stays.</returns>
    /// <exception cref="EngineOutOfMemoryException">There is no memory, or there are as many as the maximum count.
    /// Nothing has changed.</exception>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public readonly ref T Add(T item)
    {
        Header* header = (Header*)_handle.Fast;
        return ref header->Common.Count == header->Common.Capacity
            ? ref *AddSlow(_handle, item)
            : ref *Append(header, item);
    }

    /// <summary>Removes the last element.</summary>
    /// <returns>The element.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The list is empty.</exception>
    public readonly T RemoveLast()
    {
        Header* header = (Header*)_handle.BeginWrite(_handle.Read()->Count - 1, 1);
        T last = *At(header, --header->Common.Count);
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
    /// <exception cref="EngineOutOfMemoryException">There is no memory for all; for some there may be room
    /// now.</exception>
    public readonly void EnsureCapacity(int capacity)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(capacity);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(capacity, MostElements);
        Header* header = (Header*)_handle.BeginWrite();
        while (header->Common.Capacity < capacity)
            AddRoom(_handle, header, capacity);

        _handle.EndWrite();
    }

    /// <inheritdoc cref="NativeArray{T}.AsReadOnly"/>
    public readonly ReadOnly AsReadOnly() => new(this);

    /// <inheritdoc cref="NativeArray{T}.Dispose"/>
    public void Dispose() => ContainerHandle.Dispose(ref _handle, &FreeOlderChunks);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static T* At(Header* header, int index)
    {
        uint number = (uint)index + FirstNumber;
        return (T*)header->Origins[BitOperations.Log2(number)] + number;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static T* Append(Header* header, T item)
    {
        T* place = At(header, header->Common.Count++);
        *place = item;
        return place;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static T* AddSlow(ContainerHandle handle, T item)
    {
        Header* header = (Header*)handle.BeginWrite();
        if (header->Common.Count == header->Common.Capacity)
            AddRoom(handle, header, header->Common.Count + 1);

        T* place = Append(header, item);
        handle.EndWrite();
        return place;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static T* AtSlow(ContainerHandle handle, int index)
    {
        Header* header = (Header*)handle.Read();
        if ((uint)index >= (uint)header->Common.Count)
            ContainerChecks.ThrowIndex(handle, index, header->Common.Count);

        return At(header, index);
    }

    /// <summary>Begins a list in one range: each place of the table leads to where element number 0 would
    /// be.</summary>
    private static void Begin(Header* header, LongLivedArena arena, int maximumCount)
    {
        ReservedRange range = arena.Reserve<T>(maximumCount);
        header->MaximumCount = maximumCount;
        header->Common.Data = range.Address;
        for (int chunk = FirstChunk; chunk < 31; chunk++)
            header->Origins[chunk] = (nint)((T*)range.Address - FirstNumber);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void AddRoom(ContainerHandle handle, Header* header, int capacity)
    {
        try
        {
            if (header->MaximumCount != 0)
            {
                GrowRange(header, capacity);
                return;
            }

            uint first = (uint)header->Common.Capacity + FirstNumber;
            ArgumentOutOfRangeException.ThrowIfGreaterThan(first, (uint)MostElements, "count");
            nuint bytes = (nuint)first * (nuint)sizeof(T);
            byte* chunk = (byte*)header->Common.Arena.Allocate(bytes);
            header->Newest = BitOperations.Log2(first);
            header->Origins[header->Newest] = (nint)(chunk - bytes);
            header->Common.Data = chunk;
            header->Common.DataBytes = bytes;
            header->Common.Capacity = (int)Math.Min((2L * first) - FirstNumber, MostElements);
        }
        catch
        {
            handle.EndWrite();
            throw;
        }
    }

    private static void GrowRange(Header* header, int capacity)
    {
        if (capacity > header->MaximumCount)
        {
            throw new EngineOutOfMemoryException(
                $"A StableList was made for at most {header->MaximumCount} elements, and room for {capacity} was asked "
                + "for; a larger maximum count takes addresses only.");
        }

        ReservedRange range = RangeOf(&header->Common);
        range.Grow((nuint)capacity * (nuint)sizeof(T));
        header->Common.DataBytes = range.Bytes;
        header->Common.Capacity = (int)nuint.Min(range.Bytes / (nuint)sizeof(T), (nuint)header->MaximumCount);
    }

    private static ReservedRange RangeOf(ContainerHeader* header) =>
        header->Arena.LongLived!.RangeAt(header->Data);

    /// <summary>All but the newest, which is the header's data; or the range.</summary>
    private static void FreeOlderChunks(ContainerHeader* header)
    {
        if (((Header*)header)->MaximumCount != 0)
        {
            RangeOf(header).Dispose();
            header->Data = null;
        }

        for (int chunk = FirstChunk; chunk < ((Header*)header)->Newest; chunk++)
            header->Arena.Free((T*)((Header*)header)->Origins[chunk] + (1u << chunk));
    }

    /// <summary>The common data is the newest chunk, which is what a lane loses first.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct Header
    {
        public ContainerHeader Common;

        /// <summary>The number of the newest chunk.</summary>
        public int Newest;

        /// <summary>Of a list in one range; 0 for one in chunks.</summary>
        public int MaximumCount;

        /// <summary>Where element number 0 would be, if a chunk began with it, by the logarithm of its
        /// numbers.</summary>
        public fixed long Origins[31];
    }

    /// <summary>Walks over the elements as spans.</summary>
    [SuppressMessage("Design", "CA1034", Justification = "Its name is said with that of the list only.")]
    public struct SpanEnumerator
    {
        private readonly ContainerHandle _handle;
        private readonly int _version;
        private int _chunk;

        internal SpanEnumerator(ContainerHandle handle)
        {
            _handle = handle;
            _version = handle.Version;
            _chunk = FirstChunk - 1;
        }

        /// <summary>Elements that lie side by side.</summary>
        public readonly Span<T> Current
        {
            get
            {
                Header* header = (Header*)_handle.Read();
                int first = (1 << _chunk) - FirstNumber;
                if (header->MaximumCount != 0)
                    return new Span<T>(header->Common.Data, header->Common.Count);

                return new Span<T>(At(header, first), Math.Min(header->Common.Count - first, 1 << _chunk));
            }
        }

        /// <summary>This: a walk is written over <see cref="Spans"/>.</summary>
        public readonly SpanEnumerator GetEnumerator() => this;

        /// <inheritdoc cref="ElementEnumerator{T}.MoveNext"/>
        public bool MoveNext()
        {
            ContainerHeader* header =
                _handle.IsChecked ? ContainerChecks.VerifyVersion(_handle, _version) : _handle.Fast;
            _chunk++;
            bool isOver = ((Header*)header)->MaximumCount != 0 && _chunk > FirstChunk;
            return !isOver && (1L << _chunk) - FirstNumber < header->Count;
        }
    }

    /// <summary>The list without what changes it.</summary>
    [SuppressMessage("Design", "CA1034", Justification = "Its name is said with that of the list only.")]
    public readonly struct ReadOnly
    {
        private readonly StableList<T> _list;

        internal ReadOnly(StableList<T> list) => _list = list;

        /// <inheritdoc cref="StableList{T}.Count"/>
        public int Count => _list.Count;

        /// <summary>An element, which never moves.</summary>
        /// <exception cref="ArgumentOutOfRangeException">There is no such element.</exception>
        public ref readonly T this[int index] => ref _list[index];
    }
}
