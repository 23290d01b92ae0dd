// Reads traces.
using System.IO.Compression;
using System.Numerics;

namespace Samples.GameReplay.Tracing;

/// <summary>
/// Reads a trace record by record and checks every rule of the format on the way, so that the users of the records may
/// rely on them. Memory is for the live blocks only; the file may be of any length. TRACE-FORMAT.md describes the file.
/// </summary>
internal sealed class TraceReader : IDisposable
{
    private readonly string _name;
    private readonly ByteSource _bytes;
    private ulong _recordsRead;
    private ulong _framesRead;
    private ulong _nextId;
    private long _recordOffset;
    private int _thread;
    private int _threadsSeen = 1;
    private RecordKind _previous;

    /// <summary>Reads the header. Owns the packed stream from here on.</summary>
    /// <param name="name">What complaints call the trace.</param>
    /// <param name="slots">How many block slots will be needed, where that is known.</param>
    /// <exception cref="TraceFormatException">It is not a trace.</exception>
    public TraceReader(Stream packed, string name, int slots = 1024)
    {
        _name = name;
        Blocks = new BlockTable(slots);
        _bytes = new ByteSource(CheckGzip(packed));
        Header = ReadHeader();
    }

    /// <summary>What the file promises.</summary>
    public TraceHeader Header { get; }

    /// <summary>The live blocks after the record read last.</summary>
    public BlockTable Blocks { get; }

    /// <summary>How many threads have appeared, the first included.</summary>
    public int ThreadsSeen => _threadsSeen;

    /// <summary>How many Frame records have been read.</summary>
    public ulong FramesRead => _framesRead;

    /// <summary>How many blocks have been allocated.</summary>
    public ulong BlocksRead => _nextId;

    /// <summary>Reads the next record.</summary>
    /// <returns>False at the end, when the whole file has been found in order.</returns>
    /// <exception cref="TraceFormatException">The record breaks a rule.</exception>
    public bool TryRead(out TraceRecord record)
    {
        record = default;
        _recordOffset = _bytes.Offset;
        if (_recordsRead == Header.Records)
        {
            CheckEnd();
            return false;
        }

        _recordsRead++;
        record.Kind = ReadKind();
        switch (record.Kind)
        {
            case RecordKind.Alloc:
            case RecordKind.AllocZeroed:
                record.Bytes = ReadVarint();
                AddBlock(ref record);
                break;
            case RecordKind.AllocAligned:
                record.Bytes = ReadVarint();
                record.AlignmentShift = ReadAlignment();
                AddBlock(ref record);
                break;
            case RecordKind.Free:
                FindBlock(ref record);
                record.Bytes = Blocks[record.Slot].Bytes;
                Blocks.Remove(record.Slot);
                break;
            case RecordKind.Realloc:
                FindBlock(ref record);
                ResizeBlock(ref record);
                break;
            case RecordKind.Thread:
                ChangeThread();
                break;
            default:
                CountFrame();
                break;
        }

        record.Thread = _thread;
        _previous = record.Kind;
        return true;
    }

    public void Dispose() => _bytes.Dispose();
    private static bool IsKnown(int opcode) => opcode is >= (int)RecordKind.Alloc and <= (int)RecordKind.AllocZeroed;

    private Stream CheckGzip(Stream packed)
    {
        if (packed.Length == 0)
        {
            packed.Dispose();
            throw new TraceFormatException($"{_name}: the file is empty");
        }

        if (packed.ReadByte() != 0x1F || packed.ReadByte() != 0x8B)
        {
            packed.Dispose();
            throw new TraceFormatException($"{_name}: not a gzip file: it does not begin with the bytes 1F 8B");
        }

        packed.Position = 0;
        return packed;
    }

    private TraceHeader ReadHeader()
    {
        foreach (byte expected in TraceFormat.Magic)
        {
            if (NextByte() != expected)
                throw Wrong("not an allocation trace: it does not begin with 'ATRC'");
        }

        int version = NextByte();
        return version == TraceFormat.Version
            ? new TraceHeader(ReadVarint(), ReadVarint(), ReadVarint(), ReadVarint())
            : throw Wrong($"version {version}, this reader knows version {TraceFormat.Version}");
    }

    private RecordKind ReadKind()
    {
        int opcode = NextByte();
        return IsKnown(opcode) ? (RecordKind)opcode : throw Wrong($"there is no opcode 0x{opcode:X2}");
    }

    private byte ReadAlignment()
    {
        ulong alignment = ReadVarint();
        return BitOperations.IsPow2(alignment)
            ? (byte)BitOperations.Log2(alignment)
            : throw Wrong($"the alignment {alignment} is not a power of two");
    }

    private void AddBlock(ref TraceRecord record)
    {
        record.BlockId = _nextId++;
        record.Slot = Blocks.Add(record.BlockId, record.Bytes, record.AlignmentShift);
    }

    private void FindBlock(ref TraceRecord record)
    {
        ulong back = ReadVarint();
        if (back == 0 || back > _nextId)
            throw Wrong($"it reaches back {back} blocks, and {_nextId} have been allocated");

        record.BlockId = _nextId - back;
        record.Slot = Blocks.Find(record.BlockId);
        if (record.Slot < 0)
            throw Wrong($"block {record.BlockId} is not live any more");

        record.AlignmentShift = Blocks[record.Slot].AlignmentShift;
    }

    private void ResizeBlock(ref TraceRecord record)
    {
        record.Bytes = ReadVarint();
        if (record.Bytes == 0)
            throw Wrong("a Realloc to 0 bytes");

        ref LiveBlock block = ref Blocks[record.Slot];
        record.OldBytes = block.Bytes;
        block.Bytes = record.Bytes;
    }

    private void ChangeThread()
    {
        ulong thread = ReadVarint();
        if (_previous == RecordKind.Thread)
            throw Wrong("two Thread records in a row");

        if (_recordsRead == Header.Records)
            throw Wrong("a Thread record is the last record");

        if (thread == (ulong)_thread)
            throw Wrong($"a Thread record for thread {thread}, which is already the current one");

        if (thread > (ulong)_threadsSeen)
            throw Wrong($"thread {thread} appears before thread {_threadsSeen}");

        if (thread >= TraceFormat.MaxThreads)
            throw Wrong($"more than {TraceFormat.MaxThreads} threads, the most that this program replays");

        _thread = (int)thread;
        _threadsSeen = Math.Max(_threadsSeen, _thread + 1);
    }

    private void CountFrame()
    {
        if (++_framesRead > Header.Frames)
            throw Wrong($"a Frame record more than the {Header.Frames} the header promises");
    }

    private void CheckEnd()
    {
        if (TryNextByte() >= 0)
            throw Wrong("there are bytes after the last record");

        Compare("threads", Header.Threads, Header.Records == 0 ? Math.Min(Header.Threads, 1) : (ulong)_threadsSeen);
        Compare("frames", Header.Frames, _framesRead);
        Compare("blocks", Header.Blocks, _nextId);
    }

    private void Compare(string what, ulong promised, ulong found)
    {
        if (promised != found)
            throw Wrong($"the header promises {promised} {what}, the records hold {found}");
    }

    private ulong ReadVarint()
    {
        ulong value = 0;
        for (int shift = 0; ; shift += 7)
        {
            int next = NextByte();
            if (shift == 63 && next > 1)
                throw Wrong("a number of more than 64 bits");

            value |= (ulong)(next & 0x7F) << shift;
            if (next < 0x80)
                return next != 0 || shift == 0 ? value : throw Wrong("a number that is not in its shortest form");
        }
    }

    private int NextByte()
    {
        int next = TryNextByte();
        return next >= 0 ? next : throw Wrong("the file ends here");
    }

    private int TryNextByte()
    {
        try
        {
            return _bytes.Next();
        }
        catch (InvalidDataException error)
        {
            throw Wrong($"the gzip data is damaged or cut off ({error.Message.TrimEnd('.')})");
        }
    }

    private TraceFormatException Wrong(string rule)
    {
        // Offsets are those of the unpacked stream; of a record, where it begins.
        string place = _recordOffset == 0 ? "header" : $"record {_recordsRead} of {Header.Records}";
        return new TraceFormatException(
            $"{_name}: {place}, byte {(_recordOffset == 0 ? _bytes.Offset : _recordOffset)}: {rule}");
    }
}

/// <summary>
/// The unpacked bytes of a gzip file one after another, through one buffer, however long the file is. It knows how far
/// it has come, because a complaint about a file is of use only with the place.
/// </summary>
internal sealed class ByteSource : IDisposable
{
    private readonly Stream _unpacked;
    private readonly byte[] _buffer = new byte[64 * 1024];
    private int _next;
    private int _end;
    private long _bufferOffset;

    /// <summary>Takes ownership of the packed stream.</summary>
    /// <remarks>The project's switch System.IO.Compression.UseStrictValidation has a file that was cut off
    /// refused.</remarks>
    public ByteSource(Stream packed) => _unpacked = new GZipStream(packed, CompressionMode.Decompress);

    /// <summary>Where the next byte lies in the unpacked stream.</summary>
    public long Offset => _bufferOffset + _next;

    /// <summary>Takes the next byte.</summary>
    /// <returns>The byte, or -1 at the end.</returns>
    /// <exception cref="InvalidDataException">The gzip data is damaged or cut off.</exception>
    public int Next() => _next < _end || Refill() ? _buffer[_next++] : -1;

    public void Dispose() => _unpacked.Dispose();

    private bool Refill()
    {
        _bufferOffset += _end;
        _next = 0;
        _end = _unpacked.Read(_buffer);
        return _end > 0;
    }
}
