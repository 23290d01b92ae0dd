using System.Diagnostics;
using System.Globalization;
using System.Text;

namespace SuperSlab;

/// <summary>
/// The address space of this process, from /proc/self/maps at the time of <see cref="Read"/>. It reuses buffers and
/// names: reading again allocates only for what is new. One thread at a time.
/// </summary>
internal sealed class ProcessMappings(LinuxFiles files)
{
    private readonly Dictionary<string, string> _paths = [];
    private byte[] _text = new byte[256 * 1024];
    private ProcessMapping[] _mappings = new ProcessMapping[2048];
    private int _count;

    public ReadOnlySpan<ProcessMapping> All => _mappings.AsSpan(0, _count);

    /// <summary>Reads the file again. Afterwards there is no mapping where the system has no such file.</summary>
    public void Read()
    {
        ReadOnlySpan<byte> text = files.ReadAll("/proc/self/maps\0"u8, ref _text);
        _count = 0;
        foreach (Range range in text.Split((byte)'\n'))
        {
            ReadOnlySpan<byte> line = text[range];
            if (line.IsEmpty)
                continue;

            if (_count == _mappings.Length)
                Array.Resize(ref _mappings, 2 * _count);

            _mappings[_count++] = Parse(line);
        }
    }

    /// <summary>The index of the mapping that contains the address, or -1.</summary>
    public int IndexOf(nuint address)
    {
        int low = 0;
        int high = _count - 1;
        while (low <= high)
        {
            int middle = (low + high) >>> 1;
            if (address < _mappings[middle].Start)
                high = middle - 1;
            else if (address >= _mappings[middle].End)
                low = middle + 1;
            else
                return middle;
        }

        return -1;
    }

    /// <summary>Reads the addresses at the beginning of a line of maps or smaps; false where there are none.</summary>
    public static bool TryReadRange(ReadOnlySpan<byte> line, out nuint start, out nuint end)
    {
        start = end = 0;
        int dash = line.IndexOf((byte)'-');
        int space = line.IndexOf((byte)' ');
        return dash > 0 && space > dash
            && TryParse(line[..dash], out start) && TryParse(line[(dash + 1)..space], out end);
    }

    /// <summary>"7f93001000-7f93002000 r-xp 000b0000 fe:00 351013    /usr/lib/libc.so.6".</summary>
    private ProcessMapping Parse(ReadOnlySpan<byte> line)
    {
        bool isRange = TryReadRange(line, out nuint start, out nuint end);
        Debug.Assert(isRange && end > start, "The kernel writes only such lines.");
        int space = line.IndexOf((byte)' ');
        ReadOnlySpan<byte> rights = line.Slice(space + 1, 4);
        ReadOnlySpan<byte> offset = line[(space + 6)..];
        _ = TryParse(offset[..offset.IndexOf((byte)' ')], out nuint fileOffset);
        int path = line.IndexOfAny((byte)'/', (byte)'[');
        return new ProcessMapping
        {
            Start = start,
            End = end,
            IsWritable = rights[1] == (byte)'w',
            IsExecutable = rights[2] == (byte)'x',
            IsShared = rights[3] == (byte)'s',
            FileOffset = fileOffset,
            Path = path < 0 ? null : Known(line[path..]),
        };
    }

    private static bool TryParse(ReadOnlySpan<byte> text, out nuint value) =>
        nuint.TryParse(text, NumberStyles.HexNumber, CultureInfo.InvariantCulture, out value);

    private string Known(ReadOnlySpan<byte> path)
    {
        Span<char> characters = stackalloc char[Math.Min(path.Length, 1024)];
        int length = Encoding.UTF8.TryGetChars(path, characters, out int written)
            ? written
            : Encoding.Latin1.GetChars(path[..characters.Length], characters);
        var known = _paths.GetAlternateLookup<ReadOnlySpan<char>>();
        if (!known.TryGetValue(characters[..length], out string? name))
        {
            name = characters[..length].ToString();
            _paths.Add(name, name);
        }

        return name;
    }
}

/// <summary>One line of /proc/self/maps.</summary>
internal struct ProcessMapping
{
    public nuint Start;
    public nuint End;
    public bool IsWritable;
    public bool IsExecutable;
    public bool IsShared;

    /// <summary>The offset in the file at which the mapping begins.</summary>
    public nuint FileOffset;

    /// <summary>The file's path, or the kernel's name for it; null for anonymous memory.</summary>
    public string? Path;

    public readonly bool IsAnonymous => Path is null && !IsShared;
}
