using System.Globalization;
using System.Text;

namespace SuperSlab;

/// <summary>
/// The address space of this process as /proc/self/maps has it, at the time of <see cref="Read"/>. Buffers and names are used again, so
/// that reading it anew makes garbage only where something new stands there. One thread at a time.
/// </summary>
internal sealed class ProcessMappings(LinuxFiles files)
{
    private readonly Dictionary<string, string> _paths = [];
    private byte[] _text = new byte[256 * 1024];
    private ProcessMapping[] _mappings = new ProcessMapping[2048];
    private int _count;

    public ReadOnlySpan<ProcessMapping> All => _mappings.AsSpan(0, _count);

    /// <summary>Looks again. Nothing is known afterwards where the system does not tell.</summary>
    public void Read()
    {
        ReadOnlySpan<byte> text = files.Read("/proc/self/maps\0"u8, _text);
        while (text.Length == _text.Length)
        {
            _text = new byte[2 * _text.Length];
            text = files.Read("/proc/self/maps\0"u8, _text);
        }

        _count = 0;
        while (!text.IsEmpty)
        {
            int end = text.IndexOf((byte)'\n');
            ReadOnlySpan<byte> line = end < 0 ? text : text[..end];
            text = end < 0 ? default : text[(end + 1)..];
            if (_count == _mappings.Length)
                Array.Resize(ref _mappings, 2 * _count);

            _mappings[_count++] = Parse(line);
        }
    }

    /// <summary>The number of the mapping that an address lies in, or -1.</summary>
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

    /// <summary>"7f93001000-7f93002000 r-xp 000b0000 fe:00 351013    /usr/lib/libc.so.6".</summary>
    private ProcessMapping Parse(ReadOnlySpan<byte> line)
    {
        int dash = line.IndexOf((byte)'-');
        int space = line.IndexOf((byte)' ');
        ReadOnlySpan<byte> rights = line.Slice(space + 1, 4);
        ReadOnlySpan<byte> offset = line[(space + 6)..];
        offset = offset[..offset.IndexOf((byte)' ')];
        int path = line.IndexOfAny((byte)'/', (byte)'[');
        return new ProcessMapping
        {
            Start = Number(line[..dash]),
            End = Number(line[(dash + 1)..space]),
            IsWritable = rights[1] == (byte)'w',
            IsExecutable = rights[2] == (byte)'x',
            IsShared = rights[3] == (byte)'s',
            FileOffset = Number(offset),
            Path = path < 0 ? null : Known(line[path..]),
        };
    }

    private static nuint Number(ReadOnlySpan<byte> text) => nuint.Parse(text, NumberStyles.HexNumber, CultureInfo.InvariantCulture);

    private string Known(ReadOnlySpan<byte> path)
    {
        Span<char> characters = stackalloc char[Math.Min(path.Length, 1024)];
        int length = Encoding.UTF8.TryGetChars(path, characters, out int written) ? written : Encoding.Latin1.GetChars(path[..characters.Length], characters);
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

    /// <summary>Where its file's content begins in the file.</summary>
    public nuint FileOffset;

    /// <summary>The file's path, or the kernel's name for it; null for anonymous memory.</summary>
    public string? Path;

    public readonly bool IsAnonymous => Path is null && !IsShared;
}
