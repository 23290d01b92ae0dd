using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;

namespace SuperSlab.Collections;

/// <summary>
/// Elements that are there once, in an arena or a lane. A struct of 16 bytes to be copied freely: copies are the same
/// set. Elements lie densely in the order of adding; a removal moves the last one into the gap. Hot-loop safe; one
/// thread
/// at a time changes it, any number read it.
/// </summary>
/// <typeparam name="T">The elements; GetHashCode and Equals must not throw.</typeparam>
public unsafe struct NativeHashSet<T> : IDisposable
    where T : unmanaged, IEquatable<T>
{
    private ContainerHandle _handle;

    /// <summary>Makes an empty set.</summary>
    /// <inheritdoc cref="NativeHashMap{TKey, TValue}(ArenaRef, int, string, int)"/>
    public NativeHashSet(
        ArenaRef arena, int capacity = 0, [CallerFilePath] string file = "", [CallerLineNumber] int line = 0) =>
        _handle = HashTable<T, T>.Make(arena, typeof(NativeHashSet<T>), file, line, capacity);

    /// <summary>Whether it was made, and not disposed under this name.</summary>
    public readonly bool IsCreated => _handle.IsCreated;

    /// <summary>The number of elements.</summary>
    public readonly int Count => _handle.Count;

    /// <summary>For how many elements there is room.</summary>
    public readonly int Capacity => _handle.Read()->Capacity;

    /// <summary>The elements, in the order of a walk. Valid until the set changes.</summary>
    public readonly ReadOnlySpan<T> AsSpan() => _handle.Elements<T>();

    /// <summary>The elements, which must not be changed.</summary>
    public readonly ElementEnumerator<T> GetEnumerator() => new(_handle);

    /// <summary>Whether an element is there.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public readonly bool Contains(T item) => HashTable<T, T>.Find((HashHeader*)_handle.Read(), item) != null;

    /// <summary>Adds an element that is not there.</summary>
    /// <returns>Whether it was added.</returns>
    /// <exception cref="EngineOutOfMemoryException">There is no memory. Nothing has changed.</exception>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public readonly bool Add(T item)
    {
        HashTable<T, T>.GetOrAdd(_handle, item, out bool exists);
        return !exists;
    }

    /// <summary>Removes an element.</summary>
    /// <returns>Whether it was there.</returns>
    public readonly bool Remove(T item) => HashTable<T, T>.Remove(_handle, item, out _);

    /// <summary>Removes all elements; the room stays.</summary>
    public readonly void Clear() => HashTable<T, T>.Clear(_handle);

    /// <inheritdoc cref="NativeHashMap{TKey, TValue}.EnsureCapacity"/>
    public readonly void EnsureCapacity(int capacity) => HashTable<T, T>.EnsureCapacity(_handle, capacity);

    /// <summary>The set for threads that add elements at once, for which there is room.</summary>
    public readonly ParallelWriter AsParallelWriter() => new(_handle);

    /// <summary>The set for those who must not change it.</summary>
    public readonly ReadOnly AsReadOnly() => new(this);

    /// <inheritdoc cref="NativeArray{T}.Dispose"/>
    public void Dispose() => HashTable<T, T>.Dispose(ref _handle);
    /// <inheritdoc cref="NativeHashMap{TKey, TValue}.ParallelWriter"/>
    [SuppressMessage("Design", "CA1034", Justification = "Its name is said with that of the set only.")]
    public readonly struct ParallelWriter
    {
        private readonly ContainerHandle _handle;

        internal ParallelWriter(ContainerHandle handle) => _handle = handle;

        /// <summary>Adds an element that is not there.</summary>
        /// <inheritdoc cref="NativeHashMap{TKey, TValue}.ParallelWriter.TryAdd"/>
        public bool Add(T item) => ParallelHashTable<T, T>.TryAdd(_handle, item);
    }

    /// <summary>The set without what changes it.</summary>
    [SuppressMessage("Design", "CA1034", Justification = "Its name is said with that of the set only.")]
    public readonly struct ReadOnly
    {
        private readonly NativeHashSet<T> _set;

        internal ReadOnly(NativeHashSet<T> set) => _set = set;

        /// <inheritdoc cref="NativeHashSet{T}.Count"/>
        public int Count => _set.Count;

        /// <inheritdoc cref="NativeHashSet{T}.Contains"/>
        public bool Contains(T item) => _set.Contains(item);

        /// <inheritdoc cref="NativeHashSet{T}.AsSpan"/>
        public ReadOnlySpan<T> AsSpan() => _set.AsSpan();

        /// <summary>The elements.</summary>
        public ReadOnlyElementEnumerator<T> GetEnumerator() => new(_set.GetEnumerator());
    }
}
