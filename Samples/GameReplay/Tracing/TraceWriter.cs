using System.IO.Compression;

namespace Samples.GameReplay.Tracing;

/// <summary>
/// Writes a trace: for the rehearsal before a measurement, and for traces of your own. It counts for the
/// header, and checks nothing else.
/// </summary>
internal sealed class TraceWriter
{
    private readonly List<byte> _records = [];
    private ulong _recordCount;
    private ulong _threadCount = 1;
    private ulong _frameCount;
    private ulong _nextId;

    /// <summary>A new block; gives its id.</summary>
    public ulong Alloc(ulong bytes)
    {
        Opcode(RecordKind.Alloc);
        Number(bytes);
        return _nextId++;
    }

    /// <summary>A new block at a multiple of a power of two; gives its id.</summary>
    public ulong AllocAligned(ulong bytes, ulong alignment)
    {
        Opcode(RecordKind.AllocAligned);
        Number(bytes);
        Number(alignment);
        return _nextId++;
    }

    /// <summary>A new cleared block; gives its id.</summary>
    public ulong AllocZeroed(ulong bytes)
    {
        Opcode(RecordKind.AllocZeroed);
        Number(bytes);
        return _nextId++;
    }

    public void Free(ulong id)
    {
        Opcode(RecordKind.Free);
        Number(_nextId - id);
    }

    public void Realloc(ulong id, ulong bytes)
    {
        Opcode(RecordKind.Realloc);
        Number(_nextId - id);
        Number(bytes);
    }

    /// <summary>What follows is by this thread.</summary>
    public void Thread(int thread)
    {
        Opcode(RecordKind.Thread);
        Number((ulong)thread);
        _threadCount = Math.Max(_threadCount, (ulong)thread + 1);
    }

    /// <summary>A frame was presented.</summary>
    public void Frame()
    {
        Opcode(RecordKind.Frame);
        _frameCount++;
    }

    /// <summary>The unpacked file, with a header that fits the records.</summary>
    public byte[] ToBytes() => ToBytes(new TraceHeader(_recordCount, _threadCount, _frameCount, _nextId));

    /// <summary>The unpacked file, with this header.</summary>
    public byte[] ToBytes(TraceHeader header)
    {
        List<byte> file = [.. TraceFormat.Magic, TraceFormat.Version];
        Number(file, header.Records);
        Number(file, header.Threads);
        Number(file, header.Frames);
        Number(file, header.Blocks);
        file.AddRange(_records);
        return [.. file];
    }

    public byte[] ToFile() => Pack(ToBytes());

    public static byte[] Pack(ReadOnlySpan<byte> bytes)
    {
        var packed = new MemoryStream();
        using (var gzip = new GZipStream(packed, CompressionLevel.Fastest, leaveOpen: true))
        {
            gzip.Write(bytes);
        }

        return packed.ToArray();
    }

    private static void Number(List<byte> bytes, ulong value)
    {
        while (value >= 0x80)
        {
            bytes.Add((byte)(value | 0x80));
            value >>= 7;
        }

        bytes.Add((byte)value);
    }

    private void Opcode(RecordKind kind)
    {
        _records.Add((byte)kind);
        _recordCount++;
    }

    private void Number(ulong value) => Number(_records, value);
}
