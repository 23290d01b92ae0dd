using System.Runtime.CompilerServices;

namespace SuperSlab.Collections;

/// <summary>
/// Elements of a fixed number in an arena or a lane. A struct of 16 bytes to be copied freely: copies are the same
/// array. Hot-loop safe; one thread at a time changes it, any number read it.
/// </summary>
/// <typeparam name="T">The elements, which may be containers themselves.</typeparam>
public unsafe struct NativeArray<T> : IDisposable
    where T : unmanaged
{
    private ContainerHandle _handle;

    /// <summary>Makes an array.</summary>
    /// <param name="arena">Where it lies: a long-lived arena, a small arena or a lane.</param>
    /// <param name="length">The number of elements.</param>
    /// <param name="clear">Whether all bytes are 0; otherwise they are undefined.</param>
    /// <param name="file">Left out: where it is made, for messages.</param>
    /// <param name="line">Left out: the line there.</param>
    /// <exception cref="ArgumentOutOfRangeException">The length is negative, or the arena can never hold
    /// it.</exception>
    /// <exception cref="EngineOutOfMemoryException">There is no memory.</exception>
    /// <exception cref="ObjectDisposedException">The arena is disposed.</exception>
    public NativeArray(
        ArenaRef arena, int length, bool clear = true, [CallerFilePath] string file = "",
        [CallerLineNumber] int line = 0)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        _handle = ContainerHandle.Make<ContainerHeader>(arena, typeof(NativeArray<T>), file, line, length, sizeof(T));
        ContainerHeader* header = _handle.Read();
        header->Count = length;
        if (clear)
            new Span<T>(header->Data, length).Clear();
    }

    /// <summary>Whether it was made, and not disposed under this name.</summary>
    public readonly bool IsCreated => _handle.IsCreated;

    /// <summary>The number of elements.</summary>
    public readonly int Length => _handle.Count;

    /// <summary>An element, to be read or written.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no such element.</exception>
    public readonly ref T this[int index]
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => ref _handle.Element<T>(index);
    }

    /// <summary>The elements, valid until the array is disposed.</summary>
    public readonly Span<T> AsSpan() => _handle.Elements<T>();

    /// <summary>The elements in order.</summary>
    public readonly ElementEnumerator<T> GetEnumerator() => new(_handle);

    /// <summary>The elements for those who must not change them.</summary>
    public readonly ReadOnlyElements<T> AsReadOnly() => new(_handle);

    /// <summary>Frees the memory. A second call under the same name does nothing; with checks on, one of a copy is
    /// told.</summary>
    /// <exception cref="ObjectDisposedException">With checks on: a copy was disposed, or the arena.</exception>
    public void Dispose() => ContainerHandle.Dispose(ref _handle);
}

/// <summary>Walks over the elements of a container, each by reference.</summary>
/// <typeparam name="T">The elements.</typeparam>
public unsafe struct ElementEnumerator<T>
    where T : unmanaged
{
    private readonly ContainerHandle _handle;
    private readonly int _version;

    /// <summary>Where the walk ends; with checks on before it begins, so that each step looks closer.</summary>
    private readonly T* _end;
    private T* _next;

    internal ElementEnumerator(ContainerHandle handle)
    {
        ContainerHeader* header = handle.Read();
        _handle = handle;
        _version = handle.Version;
        _next = (T*)header->Data;
        _end = handle.IsChecked ? null : (T*)header->Data + header->Count;
    }

    /// <summary>The element.</summary>
    public readonly ref T Current
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => ref _next[-1];
    }

    /// <summary>Goes on to the next element.</summary>
    /// <returns>Whether there is one.</returns>
    /// <exception cref="InvalidOperationException">With checks on: the container was changed since the walk
    /// began.</exception>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool MoveNext()
    {
        if (_next >= _end && !HasNext(_handle, _version, _next))
            return false;

        _next++;
        return true;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static bool HasNext(ContainerHandle handle, int version, T* next)
    {
        if (!handle.IsChecked)
            return false;

        ContainerHeader* header = ContainerChecks.VerifyVersion(handle, version);
        return next < (T*)header->Data + header->Count;
    }
}

/// <summary>An array or a list without what changes it. A struct of 16 bytes to be copied freely.</summary>
/// <typeparam name="T">The elements.</typeparam>
public readonly struct ReadOnlyElements<T>
    where T : unmanaged
{
    private readonly ContainerHandle _handle;

    internal ReadOnlyElements(ContainerHandle handle) => _handle = handle;

    /// <summary>The number of elements.</summary>
    public int Count => _handle.Count;

    /// <summary>An element. Valid until the container grows.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no such element.</exception>
    public ref readonly T this[int index]
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => ref _handle.Element<T>(index);
    }

    /// <summary>The elements. Valid until the container grows.</summary>
    public ReadOnlySpan<T> AsSpan() => _handle.Elements<T>();

    /// <summary>The elements in order.</summary>
    public ReadOnlyElementEnumerator<T> GetEnumerator() => new(new(_handle));
}

/// <summary>Walks over the elements of a container without changing them.</summary>
/// <typeparam name="T">The elements.</typeparam>
public struct ReadOnlyElementEnumerator<T>
    where T : unmanaged
{
    private ElementEnumerator<T> _elements;

    internal ReadOnlyElementEnumerator(ElementEnumerator<T> elements) => _elements = elements;

    /// <summary>The element.</summary>
    public readonly ref readonly T Current
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => ref _elements.Current;
    }

    /// <inheritdoc cref="ElementEnumerator{T}.MoveNext"/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool MoveNext() => _elements.MoveNext();
}
