using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;

namespace SuperSlab.Collections;

/// <summary>
/// Values by key, in an arena or a lane. A struct of 16 bytes to be copied freely: copies are the same map. Entries lie
/// densely in the order of adding, so that a walk is one over an array; a removal moves the last entry into the gap.
/// Values are had by reference. Hot-loop safe; one thread at a time changes it, any number read it.
/// <code>
/// using NativeHashMap&lt;int, float&gt; ages = new(arena);
/// ages[7] = 1;
/// ages.GetOrAdd(8) += 0.5f;
/// foreach (ref var entry in ages)
///     entry.Value += 1;
/// </code>
/// </summary>
/// <typeparam name="TKey">The keys; GetHashCode and Equals must not throw.</typeparam>
/// <typeparam name="TValue">The values, which may be containers themselves.</typeparam>
public unsafe struct NativeHashMap<TKey, TValue> : IDisposable
    where TKey : unmanaged, IEquatable<TKey>
    where TValue : unmanaged
{
    private ContainerHandle _handle;

    /// <summary>Makes an empty map.</summary>
    /// <param name="arena">Where it lies: a long-lived arena, a small arena or a lane.</param>
    /// <param name="capacity">For how many entries it has room at once.</param>
    /// <param name="file">Left out: where it is made, for messages.</param>
    /// <param name="line">Left out: the line there.</param>
    /// <inheritdoc cref="NativeList{T}(ArenaRef, int, string, int)"/>
    public NativeHashMap(
        ArenaRef arena, int capacity = 0, [CallerFilePath] string file = "", [CallerLineNumber] int line = 0) =>
        _handle = HashTable<TKey, Entry>.Make(arena, typeof(NativeHashMap<TKey, TValue>), file, line, capacity);

    /// <summary>Whether it was made, and not disposed under this name.</summary>
    public readonly bool IsCreated => _handle.IsCreated;

    /// <summary>The number of entries.</summary>
    public readonly int Count => _handle.Count;

    /// <summary>For how many entries there is room.</summary>
    public readonly int Capacity => _handle.Read()->Capacity;

    /// <summary>The value of a key; setting adds the key where it is not there.</summary>
    /// <exception cref="KeyNotFoundException">Getting: the key is not there.</exception>
    /// <exception cref="EngineOutOfMemoryException">Setting: there is no memory. Nothing has changed.</exception>
    public readonly TValue this[TKey key]
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get
        {
            Entry* entry = Find(key);
            if (entry == null)
                ThrowMissing(_handle, key);

            return entry->Value;
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        set => HashTable<TKey, Entry>.GetOrAdd(_handle, key, out _)->Value = value;
    }

    /// <summary>The entries, in the order of a walk. Valid until the map grows; keys must not be changed.</summary>
    public readonly Span<Entry> AsSpan() => _handle.Elements<Entry>();

    /// <summary>The entries by reference: values may be changed.</summary>
    public readonly ElementEnumerator<Entry> GetEnumerator() => new(_handle);

    /// <summary>Whether the key is there.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public readonly bool ContainsKey(TKey key) => Find(key) != null;

    /// <summary>Reads a key's value.</summary>
    /// <param name="key">The key.</param>
    /// <param name="value">The value; the default where the key is not there.</param>
    /// <returns>Whether it is there.</returns>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public readonly bool TryGetValue(TKey key, out TValue value)
    {
        Entry* entry = Find(key);
        value = entry == null ? default : entry->Value;
        return entry != null;
    }

    /// <summary>The value of a key, to be read or written. Valid until the map changes.</summary>
    /// <param name="key">The key.</param>
    /// <param name="exists">Whether it is there; otherwise the reference is null.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public readonly ref TValue GetRef(TKey key, out bool exists)
    {
        Entry* entry = Find(key);
        exists = entry != null;
        return ref exists ? ref entry->Value : ref Unsafe.NullRef<TValue>();
    }

    /// <summary>The value of a key, which is added with the default value where it is not there. Valid until the map
    /// changes.</summary>
    /// <param name="key">The key.</param>
    /// <param name="exists">Whether it was there.</param>
    /// <exception cref="EngineOutOfMemoryException">There is no memory. Nothing has changed.</exception>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public readonly ref TValue GetOrAdd(TKey key, out bool exists)
    {
        Entry* entry = HashTable<TKey, Entry>.GetOrAdd(_handle, key, out exists);
        if (!exists)
            entry->Value = default;

        return ref entry->Value;
    }

    /// <inheritdoc cref="GetOrAdd(TKey, out bool)"/>
    public readonly ref TValue GetOrAdd(TKey key) => ref GetOrAdd(key, out _);

    /// <summary>Adds a key that is not there.</summary>
    /// <returns>Whether it was added; otherwise its value is as it was.</returns>
    /// <exception cref="EngineOutOfMemoryException">There is no memory. Nothing has changed.</exception>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public readonly bool TryAdd(TKey key, TValue value)
    {
        Entry* entry = HashTable<TKey, Entry>.GetOrAdd(_handle, key, out bool exists);
        if (!exists)
            entry->Value = value;

        return !exists;
    }

    /// <summary>Adds a key that is not there.</summary>
    /// <exception cref="ArgumentException">The key is there. Nothing has changed.</exception>
    /// <inheritdoc cref="TryAdd"/>
    public readonly void Add(TKey key, TValue value)
    {
        if (!TryAdd(key, value))
            throw new ArgumentException($"{ContainerChecks.Describe(_handle)} has the key {key} already.", nameof(key));
    }

    /// <summary>Removes a key.</summary>
    /// <returns>Whether it was there.</returns>
    public readonly bool Remove(TKey key) => HashTable<TKey, Entry>.Remove(_handle, key, out _);

    /// <summary>Removes a key.</summary>
    /// <param name="key">The key.</param>
    /// <param name="value">Its value; the default where it is not there.</param>
    /// <returns>Whether it was there.</returns>
    public readonly bool Remove(TKey key, out TValue value)
    {
        bool removed = HashTable<TKey, Entry>.Remove(_handle, key, out Entry entry);
        value = entry.Value;
        return removed;
    }

    /// <summary>Removes all keys; the room stays.</summary>
    public readonly void Clear() => HashTable<TKey, Entry>.Clear(_handle);

    /// <summary>Makes room for a number of entries in all.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The number is negative or above 1,342,177,280.</exception>
    /// <exception cref="EngineOutOfMemoryException">There is no memory. Nothing has changed.</exception>
    public readonly void EnsureCapacity(int capacity) => HashTable<TKey, Entry>.EnsureCapacity(_handle, capacity);

    /// <summary>The map for threads that add keys at once, for which there is room.</summary>
    public readonly ParallelWriter AsParallelWriter() => new(_handle);

    /// <summary>The map for those who must not change it.</summary>
    public readonly ReadOnly AsReadOnly() => new(this);

    /// <inheritdoc cref="NativeArray{T}.Dispose"/>
    public void Dispose() => HashTable<TKey, Entry>.Dispose(ref _handle);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private readonly Entry* Find(TKey key) => HashTable<TKey, Entry>.Find((HashHeader*)_handle.Read(), key);

    [DoesNotReturn]
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void ThrowMissing(ContainerHandle handle, TKey key) =>
        throw new KeyNotFoundException($"{ContainerChecks.Describe(handle)} has no key {key}.");

    /// <summary>A key with its value.</summary>
    [SuppressMessage("Design", "CA1034", Justification = "Its name is said with that of the map only.")]
    [SuppressMessage("Design", "CA1051", Justification = "A walk changes values in place.")]
    public struct Entry
    {
        internal Entry(TKey key, TValue value)
        {
            Key = key;
            Value = value;
        }

        /// <summary>The key.</summary>
        public TKey Key { get; }

        /// <summary>The value.</summary>
        public TValue Value;

        /// <summary>Reads both: <c>foreach (var (key, value) in map)</c>.</summary>
        public readonly void Deconstruct(out TKey key, out TValue value)
        {
            key = Key;
            value = Value;
        }
    }
    /// <summary>Adds keys from many threads at once, in no order. Nobody reads the map or changes it otherwise
    /// meanwhile.</summary>
    /// <remarks>Threads whose keys meet in one chunk wait for each other, by turns of a few instructions.</remarks>
    [SuppressMessage("Design", "CA1034", Justification = "Its name is said with that of the map only.")]
    public readonly struct ParallelWriter
    {
        private readonly ContainerHandle _handle;

        internal ParallelWriter(ContainerHandle handle) => _handle = handle;

        /// <summary>Adds a key that is not there.</summary>
        /// <returns>Whether it was added.</returns>
        /// <exception cref="InvalidOperationException">There is no room. Nothing has changed.</exception>
        public bool TryAdd(TKey key, TValue value) =>
            ParallelHashTable<TKey, Entry>.TryAdd(_handle, new Entry(key, value));
    }

    /// <summary>The map without what changes it.</summary>
    [SuppressMessage("Design", "CA1034", Justification = "Its name is said with that of the map only.")]
    public readonly struct ReadOnly
    {
        private readonly NativeHashMap<TKey, TValue> _map;

        internal ReadOnly(NativeHashMap<TKey, TValue> map) => _map = map;

        /// <inheritdoc cref="NativeHashMap{TKey, TValue}.Count"/>
        public int Count => _map.Count;

        /// <summary>The value of a key.</summary>
        /// <exception cref="KeyNotFoundException">The key is not there.</exception>
        public TValue this[TKey key] => _map[key];

        /// <inheritdoc cref="NativeHashMap{TKey, TValue}.ContainsKey"/>
        public bool ContainsKey(TKey key) => _map.ContainsKey(key);

        /// <inheritdoc cref="NativeHashMap{TKey, TValue}.TryGetValue"/>
        public bool TryGetValue(TKey key, out TValue value) => _map.TryGetValue(key, out value);

        /// <inheritdoc cref="NativeHashMap{TKey, TValue}.AsSpan"/>
        public ReadOnlySpan<Entry> AsSpan() => _map.AsSpan();

        /// <summary>The entries.</summary>
        public ReadOnlyElementEnumerator<Entry> GetEnumerator() => new(_map.GetEnumerator());
    }
}
