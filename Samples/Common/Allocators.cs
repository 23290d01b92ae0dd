// The ways to allocate that the samples compare. Loops are generic over these structs, so that they are compiled for
// each by itself and nothing stands between them and the allocator. A table of blocks is a table of bare words.
using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using SuperSlab;

namespace Samples.Common;

/// <summary>
/// The allocators by their names on the command line and in JSON; <see cref="EnumNames{T}"/> spells them.
/// </summary>
internal enum AllocatorKind
{
    /// <summary>The engine's arena.</summary>
    Engine,

    /// <summary>The engine's arena through a thread's handle, where a sample has both.</summary>
    Handle,
    Malloc,
    Gc,

    /// <summary>One word on the command line, hence here.</summary>
    Arraypool,

    /// <summary>No allocator: the loop alone.</summary>
    Null,
}

/// <summary>What an allocator hands out: an address, or an array.</summary>
internal interface IBlock
{
    /// <summary>True of the default value, which stands for an empty slot.</summary>
    bool IsNone { get; }

    /// <summary>The first byte.</summary>
    ref byte First { get; }
}

/// <summary>
/// One thread's way into an allocator. It is handed on by value, so that what it holds can live in registers.
/// </summary>
/// <typeparam name="TBlock">What the allocator hands out.</typeparam>
internal interface IAllocator<TBlock>
    where TBlock : struct, IBlock
{
    /// <summary>A new block of uncertain content.</summary>
    /// <param name="bytes">Its size, at least 1.</param>
    /// <param name="place">Where the caller keeps it: a number that no other live block has. Only the empty loop uses
    /// it.</param>
    TBlock Allocate(nuint bytes, uint place);

    void Free(TBlock block);

    /// <summary>Makes a block larger and keeps its content.</summary>
    TBlock Reallocate(TBlock block, nuint oldBytes, nuint bytes);
}

/// <summary>
/// All calls that a recorded game makes. Alignments are given as their logarithm to the base 2; 0 is none.
/// </summary>
/// <typeparam name="TBlock">What the allocator hands out.</typeparam>
internal interface IGameAllocator<TBlock>
    where TBlock : struct, IBlock
{
    /// <summary>A new block, which need not be cleared.</summary>
    TBlock AllocateUncleared(nuint bytes, uint place);

    /// <summary>A new block at a multiple of <c>1 &lt;&lt; alignmentShift</c>.</summary>
    TBlock AllocateAligned(nuint bytes, byte alignmentShift, uint place);

    /// <summary>A new block of zeros.</summary>
    TBlock AllocateZeroed(nuint bytes, uint place);

    /// <summary>Gives the block another size and keeps the content that both sizes have in common.</summary>
    TBlock Reallocate(TBlock block, nuint oldBytes, nuint bytes, byte alignmentShift);

    /// <summary>Frees a block that has this alignment.</summary>
    void Free(TBlock block, byte alignmentShift);

    /// <summary>The first byte of a block that has this alignment.</summary>
    ref byte First(TBlock block, byte alignmentShift);
}

/// <summary>An allocator that takes part, shared by all threads.</summary>
/// <typeparam name="TAllocator">Its way in for one thread.</typeparam>
internal interface IContestant<TAllocator>
    where TAllocator : allows ref struct
{
    /// <summary>The way in for the calling thread.</summary>
    TAllocator Open();
}

/// <summary>A block of native memory.</summary>
internal readonly unsafe struct Address(void* start) : IBlock
{
    public void* Start
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => start;
    }

    public bool IsNone
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => start == null;
    }

    public ref byte First
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => ref *(byte*)start;
    }
}

/// <summary>A block that is a managed array.</summary>
internal readonly struct ArrayBlock(byte[]? array) : IBlock
{
    /// <summary>The array, which is there.</summary>
    public byte[] Array
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => array!;
    }

    public bool IsNone
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => array is null;
    }

    public ref byte First
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => ref MemoryMarshal.GetArrayDataReference(array!);
    }
}

/// <summary>Makes tables of empty slots.</summary>
internal static class EmptySlots
{
    /// <summary>Slots that were written once: using them in a measured loop faults in nothing.</summary>
    /// <param name="count">How many; at least one is made.</param>
    /// <param name="filler">What is written first: a reference, so that the collector's own tables are written
    /// too.</param>
    public static TBlock[] Of<TBlock>(int count, TBlock filler = default)
        where TBlock : struct, IBlock
    {
        TBlock[] slots = new TBlock[Math.Max(count, 1)];
        slots.AsSpan().Fill(filler);
        slots.AsSpan().Clear();
        return slots;
    }
}

/// <summary>The engine's arena in the hands of one thread, so that nothing is looked up.</summary>
internal readonly unsafe ref struct HandleAllocator(ArenaHandle arena) : IAllocator<Address>, IGameAllocator<Address>
{
    private readonly ArenaHandle _arena = arena;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Address Allocate(nuint bytes, uint place) => new(_arena.Allocate(bytes));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Free(Address block) => _arena.Free(block.Start);

    public Address Reallocate(Address block, nuint oldBytes, nuint bytes) => new(_arena.Reallocate(block.Start, bytes));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Address AllocateUncleared(nuint bytes, uint place) => new(_arena.Allocate(bytes));

    public Address AllocateAligned(nuint bytes, byte alignmentShift, uint place) =>
        new(_arena.Allocate(bytes, (nuint)1 << alignmentShift));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Address AllocateZeroed(nuint bytes, uint place) => new(_arena.AllocateZeroed(bytes));

    public Address Reallocate(Address block, nuint oldBytes, nuint bytes, byte alignmentShift) =>
        new(_arena.Reallocate(block.Start, bytes));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Free(Address block, byte alignmentShift) => _arena.Free(block.Start);

    public ref byte First(Address block, byte alignmentShift) => ref block.First;
}

/// <summary>The engine's arena, of which each thread takes a handle.</summary>
internal readonly struct HandleContestant(LongLivedArena arena) : IContestant<HandleAllocator>
{
    public HandleAllocator Open() => new(arena.GetHandle());
}

/// <summary>The engine's arena, which finds the calling thread's cache at each call.</summary>
internal readonly unsafe struct EngineAllocator(LongLivedArena arena)
    : IAllocator<Address>, IContestant<EngineAllocator>
{
    private readonly LongLivedArena _arena = arena;

    public EngineAllocator Open()
    {
        _arena.AttachThread();
        return this;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Address Allocate(nuint bytes, uint place) => new(_arena.Allocate(bytes));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Free(Address block) => _arena.Free(block.Start);

    public Address Reallocate(Address block, nuint oldBytes, nuint bytes) => new(_arena.Reallocate(block.Start, bytes));
}

/// <summary>The C library's allocator as .NET gives it to everyone: <see cref="NativeMemory"/>.</summary>
internal readonly unsafe struct NativeMemoryAllocator
    : IAllocator<Address>, IGameAllocator<Address>, IContestant<NativeMemoryAllocator>
{
    public NativeMemoryAllocator Open() => this;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Address Allocate(nuint bytes, uint place) => new(NativeMemory.Alloc(bytes));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Free(Address block) => NativeMemory.Free(block.Start);

    public Address Reallocate(Address block, nuint oldBytes, nuint bytes) =>
        new(NativeMemory.Realloc(block.Start, bytes));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Address AllocateUncleared(nuint bytes, uint place) => new(NativeMemory.Alloc(bytes));

    public Address AllocateAligned(nuint bytes, byte alignmentShift, uint place) =>
        new(NativeMemory.AlignedAlloc(bytes, (nuint)1 << alignmentShift));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Address AllocateZeroed(nuint bytes, uint place) => new(NativeMemory.AllocZeroed(bytes));

    public Address Reallocate(Address block, nuint oldBytes, nuint bytes, byte alignmentShift) => new(
        alignmentShift == 0
            ? NativeMemory.Realloc(block.Start, bytes)
            : NativeMemory.AlignedRealloc(block.Start, bytes, (nuint)1 << alignmentShift));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Free(Address block, byte alignmentShift)
    {
        if (alignmentShift == 0)
            NativeMemory.Free(block.Start);
        else
            NativeMemory.AlignedFree(block.Start);
    }

    public ref byte First(Address block, byte alignmentShift) => ref block.First;
}

/// <summary>
/// The garbage collector: a block is a new array, and freeing it is forgetting it. The few blocks with an alignment are
/// pinned arrays with room to begin at an aligned byte, because the collector moves the others and aligns to 8 bytes.
/// </summary>
internal readonly unsafe struct GcAllocator
    : IAllocator<ArrayBlock>, IGameAllocator<ArrayBlock>, IContestant<GcAllocator>
{
    public GcAllocator Open() => this;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public ArrayBlock Allocate(nuint bytes, uint place) => new(new byte[bytes]);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Free(ArrayBlock block)
    {
    }

    public ArrayBlock Reallocate(ArrayBlock block, nuint oldBytes, nuint bytes)
    {
        byte[] array = block.Array;
        Array.Resize(ref array, (int)bytes);
        return new(array);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public ArrayBlock AllocateUncleared(nuint bytes, uint place) =>
        new(GC.AllocateUninitializedArray<byte>(Length(bytes)));

    public ArrayBlock AllocateAligned(nuint bytes, byte alignmentShift, uint place) =>
        new(GC.AllocateUninitializedArray<byte>(Length(bytes + ((nuint)1 << alignmentShift)), pinned: true));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public ArrayBlock AllocateZeroed(nuint bytes, uint place) => new(new byte[Length(bytes)]);

    public ArrayBlock Reallocate(ArrayBlock block, nuint oldBytes, nuint bytes, byte alignmentShift)
    {
        int common = Length(nuint.Min(oldBytes, bytes));
        Span<byte> from = MemoryMarshal.CreateSpan(ref First(block, alignmentShift), common);
        ArrayBlock resized = alignmentShift == 0
            ? AllocateUncleared(bytes, 0)
            : AllocateAligned(bytes, alignmentShift, 0);
        from.CopyTo(MemoryMarshal.CreateSpan(ref First(resized, alignmentShift), common));
        GC.KeepAlive(block.Array);
        return resized;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Free(ArrayBlock block, byte alignmentShift)
    {
    }

    public ref byte First(ArrayBlock block, byte alignmentShift)
    {
        if (alignmentShift == 0)
            return ref block.First;

        // A pinned array: its address stays.
        nuint mask = ((nuint)1 << alignmentShift) - 1;
        nuint address = (nuint)Unsafe.AsPointer(ref block.First);
        return ref Unsafe.AddByteOffset(ref block.First, (0 - address) & mask);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int Length(nuint bytes)
    {
        if (bytes > (nuint)Array.MaxLength)
            ThrowTooLong(bytes);

        return (int)bytes;
    }

    [DoesNotReturn]
    private static void ThrowTooLong(nuint bytes) =>
        throw new RunFailedException(
            $"the trace has a block of {FigureText.ExactBytes((long)bytes)}, and an array holds at most "
                + FigureText.ExactBytes(Array.MaxLength));
}

/// <summary>
/// The array pool that .NET programs share: a block is a rented array, at least as long as asked for.
/// </summary>
internal readonly struct PoolAllocator : IAllocator<ArrayBlock>, IContestant<PoolAllocator>
{
    public PoolAllocator Open() => this;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public ArrayBlock Allocate(nuint bytes, uint place) => new(ArrayPool<byte>.Shared.Rent((int)bytes));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Free(ArrayBlock block) => ArrayPool<byte>.Shared.Return(block.Array);

    public ArrayBlock Reallocate(ArrayBlock block, nuint oldBytes, nuint bytes)
    {
        byte[] larger = ArrayPool<byte>.Shared.Rent((int)bytes);
        block.Array.AsSpan(0, (int)oldBytes).CopyTo(larger);
        ArrayPool<byte>.Shared.Return(block.Array);
        return new(larger);
    }
}

/// <summary>No allocator: each place has its room in one buffer. What it takes is what the loop itself costs.</summary>
internal readonly unsafe struct NullAllocator(byte* buffer, nuint placeBytes)
    : IAllocator<Address>, IContestant<NullAllocator>
{
    private readonly byte* _buffer = buffer;
    private readonly nuint _placeBytes = placeBytes;

    public NullAllocator Open() => this;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Address Allocate(nuint bytes, uint place) => new(_buffer + (place * _placeBytes));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Free(Address block)
    {
    }

    public Address Reallocate(Address block, nuint oldBytes, nuint bytes) => block;
}
