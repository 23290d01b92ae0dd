using System.Buffers;
using System.Diagnostics.CodeAnalysis;

namespace SuperSlab.Collections;

/// <summary>
/// .NET's pool over an arena: what is rented is a block that nothing moves, for pipelines, sockets and async code.
/// Renting
/// makes one small managed object. Any thread, where the arena allows it; a lane's blocks end with their frame.
/// </summary>
/// <typeparam name="T">The elements.</typeparam>
public sealed class ArenaMemoryPool<T> : MemoryPool<T>
    where T : unmanaged
{
    private const int UsualBytes = 4096;

    private readonly ArenaRef _arena;
    private bool _isDisposed;

    /// <summary>Makes a pool.</summary>
    /// <param name="arena">Where the blocks come from.</param>
    public ArenaMemoryPool(ArenaRef arena) => _arena = arena;

    /// <inheritdoc/>
    public override int MaxBufferSize => int.MaxValue;

    /// <summary>Rents a block, its contents undefined. Disposing the owner gives it back; a second time does
    /// nothing.</summary>
    /// <param name="minBufferSize">The elements that it has at least; -1 for some 4 KiB.</param>
    /// <exception cref="ArgumentOutOfRangeException">The number is below -1, or the arena can never hold
    /// it.</exception>
    /// <exception cref="EngineOutOfMemoryException">There is no memory.</exception>
    /// <exception cref="ObjectDisposedException">The pool or the arena is disposed.</exception>
    public override IMemoryOwner<T> Rent(int minBufferSize = -1)
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        ArgumentOutOfRangeException.ThrowIfLessThan(minBufferSize, -1);
        ArenaMemory<T> memory = new(_arena);
        memory.Resize(minBufferSize < 0 ? Math.Max(UsualBytes / ArenaMemory<T>.ElementBytes, 1) : minBufferSize);
        return memory;
    }

    /// <summary>Refuses to rent from now on. What is rented stays valid until its owner is disposed.</summary>
    protected override void Dispose(bool disposing) => _isDisposed = true;
}

/// <summary>
/// .NET's buffer writer over an arena or a lane: what JSON, MessagePack and other writers write lies in one block that
/// grows, in place where the arena can. Use one again with <see cref="Clear"/>: then it makes no garbage. One thread at
/// a
/// time.
/// <code>
/// using ArenaBufferWriter&lt;byte&gt; buffer = new(lane);
/// using Utf8JsonWriter json = new(buffer);
/// </code>
/// </summary>
/// <typeparam name="T">The elements.</typeparam>
public sealed class ArenaBufferWriter<T> : IBufferWriter<T>, IDisposable
    where T : unmanaged
{
    private const int UsualBytes = 256;

    private readonly ArenaMemory<T> _memory;

    /// <summary>Makes an empty buffer.</summary>
    /// <param name="arena">Where it lies.</param>
    /// <param name="capacity">For how many elements it has room at once.</param>
    /// <exception cref="ArgumentOutOfRangeException">The capacity is negative.</exception>
    /// <exception cref="EngineOutOfMemoryException">There is no memory.</exception>
    /// <exception cref="ObjectDisposedException">The arena is disposed.</exception>
    public ArenaBufferWriter(ArenaRef arena, int capacity = 0)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(capacity);
        _memory = new ArenaMemory<T>(arena);
        if (capacity != 0)
            _memory.Resize(capacity);
    }

    /// <summary>The number of elements written.</summary>
    public int WrittenCount { get; private set; }

    /// <summary>For how many elements there is room.</summary>
    public int Capacity => _memory.Length;

    /// <summary>What was written. Valid until more is.</summary>
    /// <exception cref="ObjectDisposedException">The buffer is disposed.</exception>
    public ReadOnlySpan<T> WrittenSpan => _memory.GetSpan()[..WrittenCount];

    /// <summary>What was written, for async code. Valid until more is.</summary>
    /// <exception cref="ObjectDisposedException">The buffer is disposed.</exception>
    public ReadOnlyMemory<T> WrittenMemory => _memory.Memory[..WrittenCount];

    /// <inheritdoc/>
    /// <exception cref="ArgumentOutOfRangeException">The number is negative, or above what was given.</exception>
    public void Advance(int count)
    {
        if (count < 0 || count > Capacity - WrittenCount)
        {
            throw new ArgumentOutOfRangeException(
                nameof(count), count, $"There is room for {Capacity - WrittenCount} elements behind those written.");
        }

        WrittenCount += count;
    }

    /// <inheritdoc/>
    /// <exception cref="EngineOutOfMemoryException">There is no memory. What was written is there still.</exception>
    /// <exception cref="ObjectDisposedException">The buffer or its arena is disposed.</exception>
    public Memory<T> GetMemory(int sizeHint = 0)
    {
        MakeRoom(sizeHint);
        return _memory.Memory[WrittenCount..];
    }

    /// <inheritdoc/>
    /// <exception cref="EngineOutOfMemoryException">There is no memory. What was written is there still.</exception>
    /// <exception cref="ObjectDisposedException">The buffer or its arena is disposed.</exception>
    public Span<T> GetSpan(int sizeHint = 0)
    {
        MakeRoom(sizeHint);
        return _memory.GetSpan()[WrittenCount..];
    }

    /// <summary>Forgets what was written; the room stays.</summary>
    public void Clear() => WrittenCount = 0;

    /// <summary>Forgets what was written, and the block with it, without giving it back: after a lane's frame or an
    /// arena's reset, which have taken it.</summary>
    public void Abandon()
    {
        WrittenCount = 0;
        _memory.Abandon();
    }

    /// <summary>Gives the block back. A second call does nothing.</summary>
    public void Dispose() => ((IDisposable)_memory).Dispose();

    private void MakeRoom(int sizeHint)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(sizeHint);
        long needed = WrittenCount + (long)Math.Max(sizeHint, 1);
        if (needed > Capacity)
            _memory.Resize(Math.Max(needed, Math.Max(2L * Capacity, UsualBytes / ArenaMemory<T>.ElementBytes)));
    }
}

/// <summary>A block of an arena as .NET's memory: pinned by nature.</summary>
[SuppressMessage("Reliability", "CA2015", Justification = "It has no finalizer.")]
internal sealed unsafe class ArenaMemory<T>(ArenaRef arena) : MemoryManager<T>
    where T : unmanaged
{
    private T* _first;
    private nuint _bytes;
    private bool _isDisposed;

    public static int ElementBytes => sizeof(T);

    public int Length { get; private set; }

    /// <summary>Makes room for at least a number of elements, and keeps the contents.</summary>
    public void Resize(long length)
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        nuint bytes = Sizes.Of<T>(length);
        _first = (T*)arena.Reallocate(_first, _bytes, nuint.Max(bytes, 1));
        _bytes = arena.UsableBytes(_first, bytes);
        Length = (int)nuint.Min(_bytes / (nuint)sizeof(T), int.MaxValue);
    }

    public void Abandon()
    {
        _first = null;
        _bytes = 0;
        Length = 0;
    }

    public override Span<T> GetSpan()
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        return new Span<T>(_first, Length);
    }

    public override MemoryHandle Pin(int elementIndex = 0)
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)elementIndex, (uint)Length);
        return new MemoryHandle(_first + elementIndex);
    }

    public override void Unpin()
    {
        // Nothing moves it.
    }

    protected override void Dispose(bool disposing)
    {
        if (_isDisposed)
            return;

        arena.Free(_first);
        _isDisposed = true;
        Abandon();
    }
}
