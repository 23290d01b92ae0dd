using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace SuperSlab.Collections;

/// <summary>What all containers keep in their arena; copies of a container's struct share it. Containers with more to
/// keep begin with it. Equation: Count &lt;= Capacity, and Capacity elements fit in DataBytes.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct ContainerHeader
{
    public void* Data;
    public int Count;
    public int Capacity;
    public nuint DataBytes;
    public ArenaRef Arena;
}

/// <summary>
/// The one field of a container's struct. With checks off it leads to the container's header. With checks on (hardened
/// or full) it leads to an empty header that all containers share, and <see cref="ContainerChecks"/> has the real one:
/// so the hot operations, which find no room and no element there, come to the slow path, which looks closer, and cost
/// nothing for it with checks off.
/// </summary>
/// <remarks>
/// Other operations call <see cref="Read"/>, or enclose a change in <see cref="BeginWrite()"/> and
/// <see cref="EndWrite"/>.
/// What throws between these calls EndWrite first, as the methods here that take memory do.
/// </remarks>
internal readonly unsafe struct ContainerHandle
{
    /// <summary>The marks of a container that nobody checks, and of one that was disposed under this name. The default,
    /// 0, is one that was never made. Others are the number and the stamp of a record.</summary>
    private const ulong Unchecked = 1;
    private const ulong Disposed = 2;

    private const int FewestBytes = 64;

    private readonly ContainerHeader* _header;
    private readonly ulong _mark;

    private ContainerHandle(ContainerHeader* header, ulong mark)
    {
        _header = header;
        _mark = mark;
    }

    /// <summary>Its record in <see cref="ContainerChecks"/>.</summary>
    public uint Number => (uint)(_mark >> 32);

    /// <summary>Which of the record's containers it is; at least 3.</summary>
    public uint Stamp => (uint)_mark;

    /// <summary>Whether the container was made, and not disposed under this name.</summary>
    public bool IsCreated => Stamp is not 0 and not (uint)Disposed;

    /// <summary>What the hot operations look at.</summary>
    public ContainerHeader* Fast
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => _header;
    }

    /// <summary>Whether <see cref="Fast"/> is not the container's header.</summary>
    public bool IsChecked
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => _mark != Unchecked;
    }

    /// <summary>The number of changes so far, where they are counted.</summary>
    public int Version => IsChecked ? ContainerChecks.VersionOf(this) : 0;

    /// <summary>Makes a container of a type, with room for elements.</summary>
    /// <typeparam name="THeader">A struct that begins with a <see cref="ContainerHeader"/>.</typeparam>
    /// <param name="arena">Where it lies.</param>
    /// <param name="type">The container's type, for messages.</param>
    /// <param name="file">Where it is made, for messages.</param>
    /// <param name="line">The line there.</param>
    /// <param name="capacity">The number of elements.</param>
    /// <param name="elementBytes">The size of one.</param>
    public static ContainerHandle Make<THeader>(
        ArenaRef arena, Type type, string file, int line, int capacity = 0, int elementBytes = 1)
        where THeader : unmanaged
    {
        ArgumentOutOfRangeException.ThrowIfNegative(capacity);
        THeader* made = (THeader*)arena.Allocate((nuint)sizeof(THeader));
        *made = default;
        ContainerHeader* header = (ContainerHeader*)made;
        header->Arena = arena;
        try
        {
            if (capacity != 0)
                Resize(header, capacity, elementBytes);

            return arena.IsChecked
                ? ContainerChecks.Add(header, new ContainerPlace(type, file, line))
                : new ContainerHandle(header, Unchecked);
        }
        catch
        {
            arena.Free(header->Data);
            arena.Free(header);
            throw;
        }
    }

    /// <summary>A handle of a container that is checked.</summary>
    public static ContainerHandle Checked(uint number, uint stamp) =>
        new(ContainerChecks.NoHeader, ((ulong)number << 32) | stamp);

    /// <summary>Frees the elements and the header, and empties the handle; nothing where it is empty.</summary>
    /// <param name="handle">The handle.</param>
    /// <param name="besides">What to free of a header besides.</param>
    /// <exception cref="ObjectDisposedException">With checks on: a copy was disposed before, or the
    /// arena.</exception>
    public static void Dispose(ref ContainerHandle handle, delegate*<ContainerHeader*, void> besides = null)
    {
        if (!handle.IsCreated)
            return;

        ContainerHeader* header = handle.IsChecked ? ContainerChecks.Remove(handle) : handle._header;
        ArenaRef arena = header->Arena;
        if (besides != null)
            besides(header);

        arena.Free(header->Data);
        arena.Free(header);
        handle = new ContainerHandle(ContainerChecks.NoHeader, Disposed);
    }

    /// <summary>The header, to be read.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public ContainerHeader* Read() => _mark == Unchecked ? _header : ContainerChecks.Verify(this);

    /// <summary>The header, to be changed until <see cref="EndWrite"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public ContainerHeader* BeginWrite() => _mark == Unchecked ? _header : ContainerChecks.BeginWrite(this);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void EndWrite()
    {
        if (_mark != Unchecked)
            ContainerChecks.EndWrite(this);
    }

    /// <summary>The header, from which this thread alone takes until <see cref="EndTake"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public ContainerHeader* BeginTake() => _mark == Unchecked ? _header : ContainerChecks.BeginTake(this);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void EndTake()
    {
        if (_mark != Unchecked)
            ContainerChecks.EndTake(this);
    }

    /// <summary>The header, to be changed together with other threads until <see cref="EndTogether"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public ContainerHeader* BeginTogether() => _mark == Unchecked ? _header : ContainerChecks.BeginTogether(this);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void EndTogether()
    {
        if (_mark != Unchecked)
            ContainerChecks.EndTogether(this);
    }

    /// <summary>The number of elements.</summary>
    public int Count
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => _header->Count is var count and not 0 ? count : Read()->Count;
    }

    /// <summary>An element of a container whose elements lie from the first place on.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public ref T Element<T>(int index)
        where T : unmanaged
    {
        ContainerHeader* header = _header;
        return ref (uint)index < (uint)header->Count
            ? ref ((T*)header->Data)[index]
            : ref *(T*)ElementSlow(this, index, sizeof(T));
    }

    /// <summary>The elements of such a container.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Span<T> Elements<T>()
        where T : unmanaged
    {
        ContainerHeader* header = Read();
        return new Span<T>(header->Data, header->Count);
    }

    /// <summary>Begins a change of some elements.</summary>
    /// <exception cref="ArgumentOutOfRangeException">They are not all there. The change has ended.</exception>
    public ContainerHeader* BeginWrite(int index, int count)
    {
        ContainerHeader* header = BeginWrite();
        if (index < 0 || count < 0 || index > header->Count - count)
        {
            EndWrite();
            ContainerChecks.ThrowIndex(this, index < 0 ? index : (long)index + count - 1, header->Count);
        }

        return header;
    }

    /// <summary>Gives a container that is being changed room for a number of elements, and usually twice as many as it
    /// had.</summary>
    /// <exception cref="EngineOutOfMemoryException">There is no memory. The change has ended with nothing
    /// changed.</exception>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static void Grow(ContainerHandle handle, ContainerHeader* header, long needed, int elementBytes)
    {
        try
        {
            long usual = Math.Max(2L * header->Capacity, FewestBytes / elementBytes);
            Resize(header, Math.Max(needed, Math.Min(usual, int.MaxValue)), elementBytes);
        }
        catch
        {
            handle.EndWrite();
            throw;
        }
    }

    /// <summary>Takes the next places of a container that several threads add to.</summary>
    /// <returns>The first place; below 0 where there is no room.</returns>
    public static int TakeTogether(ContainerHeader* header, int count)
    {
        // No order but that of the places: who reads the elements has waited for the threads that wrote them.
        int first = Volatile.Read(ref header->Count);
        while (count <= header->Capacity - first)
        {
            int seen = Interlocked.CompareExchange(ref header->Count, first + count, first);
            if (seen == first)
                return first;

            first = seen;
        }

        return -1;
    }

    /// <summary>Gives the container room for at least a number of elements.</summary>
    public static void Resize(ContainerHeader* header, long capacity, int elementBytes)
    {
        if (capacity > int.MaxValue)
        {
            throw new ArgumentOutOfRangeException(
                nameof(capacity), capacity, $"A container holds at most {int.MaxValue} elements.");
        }

        nuint bytes = (nuint)capacity * (nuint)elementBytes;
        header->Data = header->Arena.Reallocate(header->Data, header->DataBytes, bytes);
        header->DataBytes = header->Arena.UsableBytes(header->Data, bytes);
        header->Capacity = (int)nuint.Min(header->DataBytes / (nuint)elementBytes, int.MaxValue);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static byte* ElementSlow(ContainerHandle handle, int index, int elementBytes)
    {
        ContainerHeader* header = handle.Read();
        if ((uint)index >= (uint)header->Count)
            ContainerChecks.ThrowIndex(handle, index, header->Count);

        return (byte*)header->Data + ((long)index * elementBytes);
    }
}
