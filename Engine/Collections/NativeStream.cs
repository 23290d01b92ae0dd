using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace SuperSlab.Collections;

/// <summary>
/// Values of any unmanaged types that threads write at once without locks, each to a part of its own, and that are read
/// back part by part in the order of writing: so the order does not depend on which thread was faster. A struct of 16
/// bytes to be copied freely: copies are the same stream. Hot-loop safe. One thread at a time writes a part; reading,
/// clearing and disposing begin when all have written.
/// <code>
/// using NativeStream hits = new(arena, workers.Count);
/// hits.Write(worker, new Hit(ray, distance));            // on each worker
/// for (int part = 0; part &lt; hits.PartCount; part++)
/// {
///     for (NativeStream.Reader reader = hits.Read(part); reader.Remaining != 0;)
///         Apply(reader.Read&lt;Hit&gt;());
/// }
/// </code>
/// </summary>
[SuppressMessage("Naming", "CA1711", Justification = "It is a stream of values.")]
public unsafe struct NativeStream : IDisposable
{
    private ContainerHandle _handle;

    /// <summary>Makes an empty stream in an arena that all writers may use.</summary>
    /// <param name="arena">A long-lived arena, or a small arena of any threads.</param>
    /// <param name="partCount">The number of parts: of workers, or of places in a loop that is shared out.</param>
    /// <param name="file">Left out: where it is made, for messages.</param>
    /// <param name="line">Left out: the line there.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no part.</exception>
    /// <exception cref="EngineOutOfMemoryException">There is no memory.</exception>
    /// <exception cref="ObjectDisposedException">The arena is disposed.</exception>
    public NativeStream(
        ArenaRef arena, int partCount, [CallerFilePath] string file = "", [CallerLineNumber] int line = 0)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(partCount, 1);
        _handle =
            ContainerHandle.Make<ContainerHeader>(arena, typeof(NativeStream), file, line, partCount, sizeof(Part));
        ContainerHeader* header = _handle.Read();
        header->Count = partCount;
        foreach (ref Part part in _handle.Elements<Part>())
            part = new Part { Arena = arena };
    }

    /// <summary>Makes an empty stream for a frame, with a part for each lane, which lies in that lane.</summary>
    /// <param name="frames">The frame arena. This thread has lane 0 now.</param>
    /// <param name="file">Left out: where it is made, for messages.</param>
    /// <param name="line">Left out: the line there.</param>
    /// <inheritdoc cref="NativeStream(ArenaRef, int, string, int)"/>
    public static NativeStream InLanes(
        FrameArena frames, [CallerFilePath] string file = "", [CallerLineNumber] int line = 0)
    {
        ArgumentNullException.ThrowIfNull(frames);
        NativeStream stream = new(frames.Lane(0), frames.LaneCount, file, line);
        for (int lane = 0; lane < frames.LaneCount; lane++)
            stream._handle.Elements<Part>()[lane].Arena = frames.Lane(lane);

        return stream;
    }

    /// <summary>Whether it was made, and not disposed under this name.</summary>
    public readonly bool IsCreated => _handle.IsCreated;

    /// <summary>The number of parts.</summary>
    public readonly int PartCount => _handle.Count;

    /// <summary>The number of values in all parts.</summary>
    public readonly long Count
    {
        get
        {
            long count = 0;
            foreach (ref Part part in _handle.Elements<Part>())
                count += part.Count;

            return count;
        }
    }

    /// <summary>The number of values in a part.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no such part.</exception>
    public readonly long CountOf(int part) => _handle.Element<Part>(part).Count;

    /// <summary>Writes a value behind the others of a part.</summary>
    /// <param name="part">The part, which one thread writes at a time.</param>
    /// <param name="value">The value.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such part.</exception>
    /// <exception cref="EngineOutOfMemoryException">There is no memory. Nothing has changed.</exception>
    /// <exception cref="EngineMemoryException">With checks on: another thread writes the part.</exception>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public readonly void Write<T>(int part, T value)
        where T : unmanaged
    {
        ref Part target = ref _handle.Element<Part>(part);
        if (_handle.IsChecked)
            WriteChecked(ref target, value);
        else
            Append(ref target, value, tagBytes: 0);
    }

    /// <summary>Begins to read a part from its first value.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no such part.</exception>
    public readonly Reader Read(int part)
    {
        ref Part read = ref _handle.Element<Part>(part);
        return new Reader(this, read.First, read.Count);
    }

    /// <summary>Removes all values; the room stays.</summary>
    public readonly void Clear()
    {
        _handle.BeginWrite();
        foreach (ref Part part in _handle.Elements<Part>())
        {
            part.Count = 0;
            part.Current = part.First;
            if (part.First != null)
                part.First->Used = 0;
        }

        _handle.EndWrite();
    }

    /// <inheritdoc cref="NativeArray{T}.Dispose"/>
    public void Dispose() => ContainerHandle.Dispose(ref _handle, &FreeBlocks);

    /// <summary>Where a value goes behind others. With checks on, its type stands before it.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static nuint OffsetOf<T>(nuint used, nuint tagBytes)
        where T : unmanaged
    {
        // A type's size is a multiple of its alignment.
        nuint alignment = (nuint)Math.Min(sizeof(T) & -sizeof(T), (int)FrameLane.DefaultAlignment);
        return Sizes.AlignUp(used + tagBytes, alignment);
    }

    /// <returns>Where the value is.</returns>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static byte* Append<T>(ref Part part, T value, nuint tagBytes)
        where T : unmanaged
    {
        Block* block = part.Current;
        nuint at = block == null ? 0 : OffsetOf<T>(block->Used, tagBytes);
        if (block == null || at + (nuint)sizeof(T) > block->Room)
        {
            block = NextBlock(ref part, (nuint)sizeof(T));
            at = OffsetOf<T>(0, tagBytes);
        }

        byte* place = (byte*)(block + 1) + at;
        Unsafe.WriteUnaligned(place, value);
        block->Used = at + (nuint)sizeof(T);
        part.Count++;
        return place;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private readonly void WriteChecked<T>(ref Part part, T value)
        where T : unmanaged
    {
        _handle.BeginTogether();
        bool isMine = false;
        try
        {
            ContainerChecks.Enter(_handle, ref part.Writer);
            isMine = true;
            byte* place = Append(ref part, value, (nuint)sizeof(nint));
            Unsafe.WriteUnaligned(place - sizeof(nint), typeof(T).TypeHandle.Value);
        }
        finally
        {
            if (isMine)
                Volatile.Write(ref part.Writer, 0);

            _handle.EndTogether();
        }
    }

    /// <summary>The block behind the current one: one from before the last clear where it has room, or a new
    /// one.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static Block* NextBlock(ref Part part, nuint bytes)
    {
        nuint room = nuint.Max(Block.UsualBytes, bytes + (2 * FrameLane.DefaultAlignment));
        Block* next = part.Current == null ? null : part.Current->Next;
        if (next == null || next->Room < room)
        {
            Block* made = (Block*)part.Arena.Allocate((nuint)sizeof(Block) + room);
            *made = new Block { Next = next, Room = room };
            next = made;
        }

        if (part.Current == null)
            part.First = next;
        else
            part.Current->Next = next;

        part.Current = next;
        return next;
    }

    private static void FreeBlocks(ContainerHeader* header)
    {
        foreach (ref Part part in new Span<Part>(header->Data, header->Count))
        {
            for (Block* block = part.First, next; block != null; block = next)
            {
                next = block->Next;
                part.Arena.Free(block);
            }
        }
    }

    /// <summary>What one thread writes: far from what another does, because processors fetch lines in pairs.</summary>
    [StructLayout(LayoutKind.Sequential, Size = 128)]
    private struct Part
    {
        public Block* First;
        public Block* Current;
        public ArenaRef Arena;
        public long Count;

        /// <summary>With checks on: the thread that writes it now.</summary>
        public int Writer;
    }

    /// <summary>Values of a part, which follow it, aligned to 16 bytes. Equation: Used &lt;= Room.</summary>
    [StructLayout(LayoutKind.Sequential, Size = 32)]
    private struct Block
    {
        /// <summary>With the block's head somewhat under a page.</summary>
        public const nuint UsualBytes = 4000;

        public Block* Next;
        public nuint Used;
        public nuint Room;
    }

    /// <summary>Reads the values of a part, with the types and in the order in which they were written.</summary>
    [SuppressMessage("Design", "CA1034", Justification = "Its name is said with that of the stream only.")]
    public struct Reader
    {
        private readonly NativeStream _stream;
        private readonly int _version;
        private Block* _block;
        private nuint _position;

        internal Reader(NativeStream stream, void* block, long count)
        {
            _stream = stream;
            _version = stream._handle.Version;
            _block = (Block*)block;
            Remaining = count;
        }

        /// <summary>How many values are left.</summary>
        public long Remaining { get; private set; }

        /// <summary>Reads the next value, by reference.</summary>
        /// <exception cref="InvalidOperationException">None is left; or with checks on, it was written as another type,
        /// or the stream was changed since.</exception>
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public ref T Read<T>()
            where T : unmanaged
        {
            nuint tagBytes = 0;
            if (_stream._handle.IsChecked)
            {
                ContainerChecks.VerifyVersion(_stream._handle, _version);
                tagBytes = (nuint)sizeof(nint);
            }

            nuint at = OffsetOf<T>(_position, tagBytes);
            while (Remaining != 0 && _block != null && at + (nuint)sizeof(T) > _block->Used)
            {
                _block = _block->Next;
                at = OffsetOf<T>(0, tagBytes);
            }

            if (Remaining == 0 || _block == null)
                ThrowEnd(_stream);

            byte* place = (byte*)(_block + 1) + at;
            if (tagBytes != 0)
                CheckType<T>(_stream, Unsafe.ReadUnaligned<nint>(place - sizeof(nint)));

            Remaining--;
            _position = at + (nuint)sizeof(T);
            return ref *(T*)place;
        }

        private static void CheckType<T>(NativeStream stream, nint written)
        {
            if (written != typeof(T).TypeHandle.Value)
            {
                throw new InvalidOperationException(
                    $"{ContainerChecks.Describe(stream._handle)} is read as {typeof(T).Name} where another type was "
                        + "written; read the types in the order in which they were written.");
            }
        }

        [DoesNotReturn]
        [MethodImpl(MethodImplOptions.NoInlining)]
        private static void ThrowEnd(NativeStream stream) => throw new InvalidOperationException(
            $"{ContainerChecks.Describe(stream._handle)} has no value left in this part.");
    }
}
