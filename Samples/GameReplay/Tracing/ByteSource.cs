using System.IO.Compression;

namespace Samples.GameReplay.Tracing;

/// <summary>
/// The unpacked bytes of a gzip file one after another, through one buffer, however long the file is. It knows how far it has
/// come, because a complaint about a file is of use only with the place.
/// </summary>
internal sealed class ByteSource : IDisposable
{
    private readonly Stream _unpacked;
    private readonly byte[] _buffer = new byte[64 * 1024];
    private int _next;
    private int _end;
    private long _bufferOffset;

    /// <summary>Takes ownership of the packed stream.</summary>
    public ByteSource(Stream packed)
    {
        // Without this switch, which is read at the first use of compression, a file that was cut off ends like a whole one.
        AppContext.SetSwitch("System.IO.Compression.UseStrictValidation", true);
        _unpacked = new GZipStream(packed, CompressionMode.Decompress);
    }

    /// <summary>Where the next byte lies in the unpacked stream.</summary>
    public long Offset => _bufferOffset + _next;

    /// <summary>Takes the next byte.</summary>
    /// <returns>The byte, or -1 at the end.</returns>
    /// <exception cref="InvalidDataException">The gzip data is damaged or cut off.</exception>
    public int Next() => _next < _end || Refill() ? _buffer[_next++] : -1;

    /// <inheritdoc/>
    public void Dispose() => _unpacked.Dispose();

    private bool Refill()
    {
        _bufferOffset += _end;
        _next = 0;
        _end = _unpacked.Read(_buffer);
        return _end > 0;
    }
}
