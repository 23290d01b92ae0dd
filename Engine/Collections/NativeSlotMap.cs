using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;

namespace SuperSlab.Collections;

/// <summary>Names a value of a <see cref="NativeSlotMap{T}"/>: a slot, and which of its values. The default names
/// none.</summary>
/// <param name="Index">The slot.</param>
/// <param name="Generation">Odd in a key that was given.</param>
public readonly record struct SlotKey(uint Index, uint Generation);

/// <summary>
/// Values that are had by a key that the map gives, such as entities, in an arena or a lane. A value stays in its slot;
/// a
/// key of a value that was removed finds nothing, whatever has the slot by then. A struct of 16 bytes to be copied
/// freely:
/// copies are the same map. Hot-loop safe; one thread at a time changes it, any number read it.
/// </summary>
/// <typeparam name="T">The values.</typeparam>
public unsafe struct NativeSlotMap<T> : IDisposable
    where T : unmanaged
{
    private ContainerHandle _handle;

    /// <summary>Makes an empty map.</summary>
    /// <inheritdoc cref="NativeList{T}(ArenaRef, int, string, int)"/>
    public NativeSlotMap(
        ArenaRef arena, int capacity = 0, [CallerFilePath] string file = "", [CallerLineNumber] int line = 0) =>
        _handle = ContainerHandle.Make<Header>(arena, typeof(NativeSlotMap<T>), file, line, capacity, sizeof(Slot));

    /// <summary>Whether it was made, and not disposed under this name.</summary>
    public readonly bool IsCreated => _handle.IsCreated;

    /// <summary>The number of values.</summary>
    public readonly int Count => ((Header*)_handle.Read())->Live;

    /// <summary>A key's value. Valid until the map grows.</summary>
    /// <exception cref="KeyNotFoundException">The value was removed, or the key is not of this map.</exception>
    public readonly ref T this[SlotKey key]
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get
        {
            Slot* slot = Find(_handle.Read(), key);
            if (slot == null)
                ThrowMissing(_handle, key);

            return ref slot->Value;
        }
    }

    /// <summary>Whether a key's value is there.</summary>
    public readonly bool Contains(SlotKey key) => Find(_handle.Read(), key) != null;

    /// <summary>Reads a key's value.</summary>
    /// <param name="key">The key.</param>
    /// <param name="value">The value; the default where it is not there.</param>
    /// <returns>Whether it is there.</returns>
    public readonly bool TryGetValue(SlotKey key, out T value)
    {
        Slot* slot = Find(_handle.Read(), key);
        value = slot == null ? default : slot->Value;
        return slot != null;
    }

    /// <summary>Adds a value.</summary>
    /// <returns>Its key.</returns>
    /// <exception cref="EngineOutOfMemoryException">There is no memory. Nothing has changed.</exception>
    public readonly SlotKey Add(T value)
    {
        Header* header = (Header*)_handle.BeginWrite();
        uint index = header->FirstFree;
        if (index == 0)
        {
            if (header->Common.Count == header->Common.Capacity)
                ContainerHandle.Grow(_handle, &header->Common, header->Common.Count + 1L, sizeof(Slot));

            index = (uint)++header->Common.Count;
            ((Slot*)header->Common.Data)[index - 1] = default;
        }

        // Slots are linked by their number and one, so that 0 is none.
        Slot* slot = (Slot*)header->Common.Data + (index - 1);
        header->FirstFree = slot->NextFree;
        header->Live++;
        slot->Generation++;
        slot->Value = value;
        _handle.EndWrite();
        return new SlotKey(index - 1, slot->Generation);
    }

    /// <summary>Removes a key's value.</summary>
    /// <returns>Whether it was there.</returns>
    public readonly bool Remove(SlotKey key)
    {
        Header* header = (Header*)_handle.BeginWrite();
        Slot* slot = Find(&header->Common, key);
        if (slot != null)
            Free(header, slot, key.Index);

        _handle.EndWrite();
        return slot != null;
    }

    /// <summary>Removes all values. Their keys find nothing afterwards.</summary>
    public readonly void Clear()
    {
        Header* header = (Header*)_handle.BeginWrite();
        Slot* slots = (Slot*)header->Common.Data;
        for (uint index = 0; index < (uint)header->Common.Count; index++)
        {
            if ((slots[index].Generation & 1) != 0)
                Free(header, slots + index, index);
        }

        _handle.EndWrite();
    }

    /// <summary>Finds the key of the first value in a slot from one on, for a walk over all.</summary>
    /// <param name="from">The first slot to look at; afterwards the one behind what was found.</param>
    /// <param name="key">The key.</param>
    /// <returns>Whether there is one.</returns>
    public readonly bool TryNext(ref uint from, out SlotKey key)
    {
        ContainerHeader* header = _handle.Read();
        Slot* slots = (Slot*)header->Data;
        for (uint index = from; index < (uint)header->Count; index++)
        {
            if ((slots[index].Generation & 1) != 0)
            {
                from = index + 1;
                key = new SlotKey(index, slots[index].Generation);
                return true;
            }
        }

        key = default;
        return false;
    }

    /// <inheritdoc cref="NativeArray{T}.AsReadOnly"/>
    public readonly ReadOnly AsReadOnly() => new(this);

    /// <inheritdoc cref="NativeArray{T}.Dispose"/>
    public void Dispose() => ContainerHandle.Dispose(ref _handle);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Slot* Find(ContainerHeader* header, SlotKey key)
    {
        Slot* slot = (Slot*)header->Data + key.Index;
        return key.Index < (uint)header->Count && slot->Generation == key.Generation && (key.Generation & 1) != 0
            ? slot
            : null;
    }

    private static void Free(Header* header, Slot* slot, uint index)
    {
        slot->Generation++;
        slot->NextFree = header->FirstFree;
        header->FirstFree = index + 1;
        header->Live--;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void ThrowMissing(ContainerHandle handle, SlotKey key) => throw new KeyNotFoundException(
        $"{ContainerChecks.Describe(handle)} has no value of {key}: it was removed, or is another map's.");

    private struct Header
    {
        public ContainerHeader Common;

        /// <summary>The values; the common count is that of slots.</summary>
        public int Live;

        /// <summary>The number of a slot without a value, and one; 0 for none.</summary>
        public uint FirstFree;
    }

    /// <summary>The generation is odd while there is a value.</summary>
    private struct Slot
    {
        public uint Generation;
        public uint NextFree;
        public T Value;
    }

    /// <summary>The map without what changes it.</summary>
    [SuppressMessage("Design", "CA1034", Justification = "Its name is said with that of the map only.")]
    public readonly struct ReadOnly
    {
        private readonly NativeSlotMap<T> _map;

        internal ReadOnly(NativeSlotMap<T> map) => _map = map;

        /// <inheritdoc cref="NativeSlotMap{T}.Count"/>
        public int Count => _map.Count;

        /// <summary>The value of a key. Valid until the map changes.</summary>
        /// <exception cref="KeyNotFoundException">The key is not there.</exception>
        public ref readonly T this[SlotKey key] => ref _map[key];

        /// <inheritdoc cref="NativeSlotMap{T}.Contains"/>
        public bool Contains(SlotKey key) => _map.Contains(key);

        /// <inheritdoc cref="NativeSlotMap{T}.TryGetValue"/>
        public bool TryGetValue(SlotKey key, out T value) => _map.TryGetValue(key, out value);

        /// <inheritdoc cref="NativeSlotMap{T}.TryNext"/>
        public bool TryNext(ref uint from, out SlotKey key) => _map.TryNext(ref from, out key);
    }
}
