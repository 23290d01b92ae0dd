using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;

namespace SuperSlab.Collections;

/// <summary>
/// Several values by key, in an arena or a lane, such as the bodies in a cell of a grid. A struct of 16 bytes to be
/// copied freely: copies are the same map. Entries lie densely, so that a walk over all is one over an array; the
/// values of one key are walked over in the order of adding. A removal moves the last entry into the gap. Hot-loop
/// safe; one thread at a time changes it, any number read it.
/// <code>
/// using NativeMultiHashMap&lt;int, Body&gt; cells = new(arena);
/// cells.Add(7, body);
/// foreach (ref Body each in cells.ValuesOf(7))
///     each.Speed *= 0.9f;
/// </code>
/// </summary>
/// <remarks>Entries of one key are linked in both directions; a <see cref="NativeHashMap{TKey, TValue}"/> inside has
/// the first and the last of each key.</remarks>
/// <typeparam name="TKey">The keys; GetHashCode and Equals must not throw.</typeparam>
/// <typeparam name="TValue">The values, which may be containers themselves.</typeparam>
public unsafe struct NativeMultiHashMap<TKey, TValue> : IDisposable
    where TKey : unmanaged, IEquatable<TKey>
    where TValue : unmanaged
{
    private const int None = -1;

    private ContainerHandle _handle;

    /// <summary>Makes an empty map.</summary>
    /// <param name="arena">Where it lies: a long-lived arena, a small arena or a lane.</param>
    /// <param name="capacity">For how many values, and as many keys, it has room at once.</param>
    /// <param name="file">Left out: where it is made, for messages.</param>
    /// <param name="line">Left out: the line there.</param>
    /// <inheritdoc cref="NativeList{T}(ArenaRef, int, string, int)"/>
    public NativeMultiHashMap(
        ArenaRef arena, int capacity = 0, [CallerFilePath] string file = "", [CallerLineNumber] int line = 0)
    {
        _handle = ContainerHandle.Make<Header>(
            arena, typeof(NativeMultiHashMap<TKey, TValue>), file, line, capacity, sizeof(Entry));
        try
        {
            ((Header*)_handle.Read())->Keys = new NativeHashMap<TKey, Chain>(arena, capacity, file, line);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Whether it was made, and not disposed under this name.</summary>
    public readonly bool IsCreated => _handle.IsCreated;

    /// <summary>The number of values of all keys.</summary>
    public readonly int Count => _handle.Count;

    /// <summary>The number of keys with a value.</summary>
    public readonly int KeyCount => ((Header*)_handle.Read())->Keys.Count;

    /// <summary>The keys with their values, in the order of a walk. Valid until the map changes.</summary>
    public readonly Span<Entry> AsSpan() => _handle.Elements<Entry>();

    /// <summary>The keys with their values by reference, in no order: values may be changed.</summary>
    public readonly ElementEnumerator<Entry> GetEnumerator() => new(_handle);

    /// <summary>Whether a key has a value.</summary>
    public readonly bool ContainsKey(TKey key) => CountOf(key) != 0;

    /// <summary>The number of a key's values.</summary>
    public readonly int CountOf(TKey key) =>
        ((Header*)_handle.Read())->Keys.TryGetValue(key, out Chain chain) ? chain.Count : 0;

    /// <summary>Reads the value of a key that was added first.</summary>
    /// <param name="key">The key.</param>
    /// <param name="value">The value; the default where there is none.</param>
    /// <returns>Whether there is one.</returns>
    public readonly bool TryGetFirst(TKey key, out TValue value)
    {
        Header* header = (Header*)_handle.Read();
        bool exists = header->Keys.TryGetValue(key, out Chain chain);
        value = exists ? Entries(header)[chain.First].Value : default;
        return exists;
    }

    /// <summary>The values of a key by reference, in the order of adding; none where the key is not there.</summary>
    public readonly ValueEnumerator ValuesOf(TKey key) => new(
        _handle, ((Header*)_handle.Read())->Keys.TryGetValue(key, out Chain chain) ? chain.First : None);

    /// <summary>Finds the next key, for a walk over the keys.</summary>
    /// <param name="from">0 for the first; afterwards how many there were so far.</param>
    /// <param name="key">The key.</param>
    /// <returns>Whether there is one.</returns>
    public readonly bool TryNextKey(ref int from, out TKey key)
    {
        ReadOnlySpan<NativeHashMap<TKey, Chain>.Entry> keys = ((Header*)_handle.Read())->Keys.AsSpan();
        bool exists = (uint)from < (uint)keys.Length;
        key = exists ? keys[from++].Key : default;
        return exists;
    }

    /// <summary>Adds a value to a key, behind those that it has.</summary>
    /// <exception cref="EngineOutOfMemoryException">There is no memory. Nothing has changed.</exception>
    public readonly void Add(TKey key, TValue value)
    {
        Header* header = (Header*)_handle.BeginWrite();
        int number = header->Common.Count;
        if (number == header->Common.Capacity)
            ContainerHandle.Grow(_handle, &header->Common, number + 1L, sizeof(Entry));

        ref Chain chain = ref HadOrAdded(_handle, header, key);
        Entries(header)[number] = new Entry(key, value, chain.Last);
        SetNext(header, ref chain, chain.Last, number);
        chain.Last = number;
        chain.Count++;
        header->Common.Count = number + 1;
        _handle.EndWrite();
    }

    /// <summary>Removes a key with all its values.</summary>
    /// <returns>How many there were.</returns>
    public readonly int Remove(TKey key)
    {
        Header* header = (Header*)_handle.BeginWrite();
        ref Chain chain = ref header->Keys.GetRef(key, out bool exists);
        int count = exists ? chain.Count : 0;
        for (int left = count; left != 0; left--)
            RemoveAt(header, ref chain, chain.First);

        header->Keys.Remove(key);
        _handle.EndWrite();
        return count;
    }

    /// <summary>Removes those values of a key that are equal to one. Values that are not
    /// <see cref="IEquatable{T}"/> are compared as objects, which makes garbage.</summary>
    /// <returns>How many there were.</returns>
    public readonly int Remove(TKey key, TValue value)
    {
        Header* header = (Header*)_handle.BeginWrite();
        ref Chain chain = ref header->Keys.GetRef(key, out bool exists);
        int before = exists ? chain.Count : 0;
        int number = exists ? chain.Last : None;
        while (number != None)
        {
            // From the last to the first: what moves into a gap may be one of those that were looked at.
            Entry* entry = Entries(header) + number;
            int previous = entry->Previous;
            if (EqualityComparer<TValue>.Default.Equals(entry->Value, value))
            {
                bool movesPrevious = previous == header->Common.Count - 1;
                RemoveAt(header, ref chain, number);
                previous = movesPrevious ? number : previous;
            }

            number = previous;
        }

        int removed = exists ? before - chain.Count : 0;
        if (removed == before)
            header->Keys.Remove(key);

        _handle.EndWrite();
        return removed;
    }

    /// <summary>Removes all keys; the room stays.</summary>
    public readonly void Clear()
    {
        Header* header = (Header*)_handle.BeginWrite();
        header->Common.Count = 0;
        header->Keys.Clear();
        _handle.EndWrite();
    }

    /// <summary>Makes room for a number of values in all, and as many keys.</summary>
    /// <inheritdoc cref="NativeHashMap{TKey, TValue}.EnsureCapacity"/>
    public readonly void EnsureCapacity(int capacity)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(capacity);
        ((Header*)_handle.Read())->Keys.EnsureCapacity(capacity);
        Header* header = (Header*)_handle.BeginWrite();
        if (header->Common.Capacity < capacity)
            ContainerHandle.Grow(_handle, &header->Common, capacity, sizeof(Entry));

        _handle.EndWrite();
    }

    /// <inheritdoc cref="NativeArray{T}.AsReadOnly"/>
    public readonly ReadOnly AsReadOnly() => new(this);

    /// <inheritdoc cref="NativeArray{T}.Dispose"/>
    public void Dispose() => ContainerHandle.Dispose(ref _handle, &DisposeKeys);

    private static Entry* Entries(Header* header) => (Entry*)header->Common.Data;

    /// <summary>A key's chain. Where there is no memory for it the change has ended.</summary>
    private static ref Chain HadOrAdded(ContainerHandle handle, Header* header, TKey key)
    {
        try
        {
            ref Chain chain = ref header->Keys.GetOrAdd(key, out bool exists);
            if (!exists)
                chain = new Chain { First = None, Last = None };

            return ref chain;
        }
        catch
        {
            handle.EndWrite();
            throw;
        }
    }

    private static void RemoveAt(Header* header, ref Chain chain, int number)
    {
        Entry* entry = Entries(header) + number;
        SetNext(header, ref chain, entry->Previous, entry->Next);
        SetPrevious(header, ref chain, entry->Next, entry->Previous);
        chain.Count--;
        Entry* last = Entries(header) + --header->Common.Count;
        if (last == entry)
            return;

        *entry = *last;
        ref Chain moved = ref entry->Previous == None || entry->Next == None
            ? ref header->Keys.GetRef(entry->Key, out _)
            : ref chain; // not needed
        SetNext(header, ref moved, entry->Previous, number);
        SetPrevious(header, ref moved, entry->Next, number);
    }

    /// <summary>Says what comes behind an entry, or first where it is none.</summary>
    private static void SetNext(Header* header, ref Chain chain, int number, int next)
    {
        if (number == None)
            chain.First = next;
        else
            Entries(header)[number].Next = next;
    }

    /// <summary>Says what comes before an entry, or last where it is none.</summary>
    private static void SetPrevious(Header* header, ref Chain chain, int number, int previous)
    {
        if (number == None)
            chain.Last = previous;
        else
            Entries(header)[number].Previous = previous;
    }

    private static void DisposeKeys(ContainerHeader* header) => ((Header*)header)->Keys.Dispose();

    private struct Header
    {
        public ContainerHeader Common;
        public NativeHashMap<TKey, Chain> Keys;
    }

    /// <summary>The entries of one key. Equation: First and Last are None and Count is 0, or none of them.</summary>
    private struct Chain
    {
        public int First;
        public int Last;
        public int Count;
    }

    /// <summary>A key with one of its values.</summary>
    [SuppressMessage("Design", "CA1034", Justification = "Its name is said with that of the map only.")]
    [SuppressMessage("Design", "CA1051", Justification = "A walk changes values in place.")]
    public struct Entry
    {
        internal int Next;
        internal int Previous;

        internal Entry(TKey key, TValue value, int previous)
        {
            Key = key;
            Value = value;
            Next = None;
            Previous = previous;
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

    /// <summary>Walks over the values of one key, each by reference.</summary>
    [SuppressMessage("Design", "CA1034", Justification = "Its name is said with that of the map only.")]
    public struct ValueEnumerator
    {
        private readonly ContainerHandle _handle;
        private readonly int _version;
        private Entry* _current;
        private int _next;

        internal ValueEnumerator(ContainerHandle handle, int first)
        {
            _handle = handle;
            _version = handle.Version;
            _next = first;
        }

        /// <summary>The value.</summary>
        public readonly ref TValue Current => ref _current->Value;

        /// <summary>This: a walk is written over what <see cref="ValuesOf"/> gives.</summary>
        public readonly ValueEnumerator GetEnumerator() => this;

        /// <summary>Goes on to the next value.</summary>
        /// <returns>Whether there is one.</returns>
        /// <exception cref="InvalidOperationException">With checks on: the map was changed since the walk
        /// began.</exception>
        public bool MoveNext()
        {
            ContainerHeader* header =
                _handle.IsChecked ? ContainerChecks.VerifyVersion(_handle, _version) : _handle.Fast;
            if (_next == None)
                return false;

            _current = (Entry*)header->Data + _next;
            _next = _current->Next;
            return true;
        }
    }

    /// <summary>The map without what changes it.</summary>
    [SuppressMessage("Design", "CA1034", Justification = "Its name is said with that of the map only.")]
    public readonly struct ReadOnly
    {
        private readonly NativeMultiHashMap<TKey, TValue> _map;

        internal ReadOnly(NativeMultiHashMap<TKey, TValue> map) => _map = map;

        /// <inheritdoc cref="NativeMultiHashMap{TKey, TValue}.Count"/>
        public int Count => _map.Count;

        /// <inheritdoc cref="NativeMultiHashMap{TKey, TValue}.KeyCount"/>
        public int KeyCount => _map.KeyCount;

        /// <inheritdoc cref="NativeMultiHashMap{TKey, TValue}.ContainsKey"/>
        public bool ContainsKey(TKey key) => _map.ContainsKey(key);

        /// <inheritdoc cref="NativeMultiHashMap{TKey, TValue}.CountOf"/>
        public int CountOf(TKey key) => _map.CountOf(key);

        /// <inheritdoc cref="NativeMultiHashMap{TKey, TValue}.TryGetFirst"/>
        public bool TryGetFirst(TKey key, out TValue value) => _map.TryGetFirst(key, out value);

        /// <inheritdoc cref="NativeMultiHashMap{TKey, TValue}.TryNextKey"/>
        public bool TryNextKey(ref int from, out TKey key) => _map.TryNextKey(ref from, out key);

        /// <inheritdoc cref="NativeMultiHashMap{TKey, TValue}.AsSpan"/>
        public ReadOnlySpan<Entry> AsSpan() => _map.AsSpan();

        /// <summary>The keys with their values.</summary>
        public ReadOnlyElementEnumerator<Entry> GetEnumerator() => new(_map.GetEnumerator());
    }
}
