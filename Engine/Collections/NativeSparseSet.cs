using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace SuperSlab.Collections;

/// <summary>
/// Values by small numbers, such as components by entity, in an arena or a lane. Values lie densely; a table as long as
/// the largest number says where, so a look-up reads two places and no hash. A removal moves the last value into the
/// gap.
/// A struct of 16 bytes to be copied freely: copies are the same set. Hot-loop safe; one thread at a time changes it,
/// any
/// number read it.
/// </summary>
/// <typeparam name="T">The values.</typeparam>
public unsafe struct NativeSparseSet<T> : IDisposable
    where T : unmanaged
{
    private ContainerHandle _handle;

    /// <summary>Makes an empty set.</summary>
    /// <inheritdoc cref="NativeList{T}(ArenaRef, int, string, int)"/>
    public NativeSparseSet(
        ArenaRef arena, int capacity = 0, [CallerFilePath] string file = "", [CallerLineNumber] int line = 0) =>
        _handle = ContainerHandle.Make<Header>(arena, typeof(NativeSparseSet<T>), file, line, capacity, sizeof(Entry));

    /// <summary>Whether it was made, and not disposed under this name.</summary>
    public readonly bool IsCreated => _handle.IsCreated;

    /// <summary>The number of values.</summary>
    public readonly int Count => _handle.Count;

    /// <summary>The value of a number. Valid until the set changes.</summary>
    /// <exception cref="KeyNotFoundException">The number is not there.</exception>
    public readonly ref T this[int number]
    {
        get
        {
            Entry* entry = Find((Header*)_handle.Read(), number);
            if (entry == null)
                throw new KeyNotFoundException($"{ContainerChecks.Describe(_handle)} has no number {number}.");

            return ref entry->Value;
        }
    }

    /// <summary>The numbers with their values, in no order. Valid until the set changes.</summary>
    public readonly Span<Entry> AsSpan() => _handle.Elements<Entry>();

    /// <summary>The numbers with their values by reference.</summary>
    public readonly ElementEnumerator<Entry> GetEnumerator() => new(_handle);

    /// <summary>Whether a number is there.</summary>
    public readonly bool Contains(int number) => Find((Header*)_handle.Read(), number) != null;

    /// <summary>Adds a number that is not there, or gives it another value.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The number is negative.</exception>
    /// <exception cref="EngineOutOfMemoryException">There is no memory. Nothing has changed.</exception>
    public readonly void Set(int number, T value)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(number);
        Header* header = (Header*)_handle.BeginWrite();
        Entry* entry = Find(header, number);
        if (entry == null)
        {
            if (number >= header->Numbers)
                GrowTable(_handle, header, number);

            int count = header->Common.Count;
            if (count == header->Common.Capacity)
                ContainerHandle.Grow(_handle, &header->Common, count + 1L, sizeof(Entry));

            entry = (Entry*)header->Common.Data + count;
            entry->Number = number;
            header->Places[number] = count;
            header->Common.Count = count + 1;
        }

        entry->Value = value;
        _handle.EndWrite();
    }

    /// <summary>Removes a number.</summary>
    /// <returns>Whether it was there.</returns>
    public readonly bool Remove(int number)
    {
        Header* header = (Header*)_handle.BeginWrite();
        Entry* entry = Find(header, number);
        if (entry != null)
        {
            Entry* last = (Entry*)header->Common.Data + --header->Common.Count;
            header->Places[last->Number] = header->Places[number];
            *entry = *last;
        }

        _handle.EndWrite();
        return entry != null;
    }

    /// <summary>Removes all numbers; the room stays.</summary>
    public readonly void Clear()
    {
        _handle.BeginWrite()->Count = 0;
        _handle.EndWrite();
    }

    /// <inheritdoc cref="NativeArray{T}.AsReadOnly"/>
    public readonly ReadOnly AsReadOnly() => new(this);

    /// <inheritdoc cref="NativeArray{T}.Dispose"/>
    public void Dispose() => ContainerHandle.Dispose(ref _handle, &FreePlaces);

    /// <summary>A number's place is right where the entry there has the number; other places say nothing.</summary>
    private static Entry* Find(Header* header, int number)
    {
        if ((uint)number >= (uint)header->Numbers)
            return null;

        uint place = (uint)header->Places[number];
        Entry* entry = (Entry*)header->Common.Data + place;
        return place < (uint)header->Common.Count && entry->Number == number ? entry : null;
    }

    private static void GrowTable(ContainerHandle handle, Header* header, int number)
    {
        try
        {
            ArenaRef arena = header->Common.Arena;
            long numbers = Math.Max(number + 1L, Math.Min(2L * header->Numbers, int.MaxValue));
            nuint before = (nuint)header->Numbers * sizeof(int);
            nuint bytes = (nuint)numbers * sizeof(int);
            header->Places = (int*)arena.Reallocate(header->Places, before, bytes);
            NativeMemory.Clear((byte*)header->Places + before, bytes - before);
            header->Numbers = (int)numbers;
        }
        catch
        {
            handle.EndWrite();
            throw;
        }
    }

    private static void FreePlaces(ContainerHeader* header) => header->Arena.Free(((Header*)header)->Places);

    private struct Header
    {
        public ContainerHeader Common;
        public int* Places;

        /// <summary>How many numbers have a place.</summary>
        public int Numbers;
    }

    /// <summary>A number with its value.</summary>
    [SuppressMessage("Design", "CA1034", Justification = "Its name is said with that of the set only.")]
    [SuppressMessage("Design", "CA1051", Justification = "A walk changes values in place.")]
    public struct Entry
    {
        /// <summary>The number.</summary>
        public int Number { get; internal set; }

        /// <summary>The value.</summary>
        public T Value;
    }

    /// <summary>The set without what changes it.</summary>
    [SuppressMessage("Design", "CA1034", Justification = "Its name is said with that of the set only.")]
    public readonly struct ReadOnly
    {
        private readonly NativeSparseSet<T> _set;

        internal ReadOnly(NativeSparseSet<T> set) => _set = set;

        /// <inheritdoc cref="NativeSparseSet{T}.Count"/>
        public int Count => _set.Count;

        /// <summary>The value of a number. Valid until the set changes.</summary>
        /// <exception cref="KeyNotFoundException">The number is not there.</exception>
        public ref readonly T this[int number] => ref _set[number];

        /// <inheritdoc cref="NativeSparseSet{T}.Contains"/>
        public bool Contains(int number) => _set.Contains(number);

        /// <inheritdoc cref="NativeSparseSet{T}.AsSpan"/>
        public ReadOnlySpan<Entry> AsSpan() => _set.AsSpan();

        /// <summary>The numbers with their values.</summary>
        public ReadOnlyElementEnumerator<Entry> GetEnumerator() => new(_set.GetEnumerator());
    }
}
