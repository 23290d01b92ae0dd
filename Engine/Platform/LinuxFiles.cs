using System.Text;
using Silk.NET.Core.Contexts;

namespace Engine.Platform;

/// <summary>
/// Reads the small files of /proc, /sys and the cgroup tree through open, read, pread and close, so that asking for
/// the resident memory makes no garbage.
/// </summary>
internal sealed unsafe class LinuxFiles(INativeContext context)
{
    private readonly delegate* unmanaged<byte*, int, int, int> _open = (delegate* unmanaged<byte*, int, int, int>)Address(context, "open");
    private readonly delegate* unmanaged<int, void*, nuint, nint> _read = (delegate* unmanaged<int, void*, nuint, nint>)Address(context, "read");
    private readonly delegate* unmanaged<int, void*, nuint, long, nint> _pread =
        (delegate* unmanaged<int, void*, nuint, long, nint>)Address(context, "pread");
    private readonly delegate* unmanaged<int, int> _close = (delegate* unmanaged<int, int>)Address(context, "close");

    /// <summary>The file descriptor, or -1. <paramref name="path"/> is ASCII and ends with a zero byte.</summary>
    public int Open(ReadOnlySpan<byte> path)
    {
        const int ReadOnlyCloseOnExec = 0x80000;
        if (_open == null || _read == null || _close == null)
        {
            return -1;
        }

        fixed (byte* name = path)
        {
            return _open(name, ReadOnlyCloseOnExec, 0);
        }
    }

    public void Close(int file) => _ = _close(file);

    /// <summary>How many bytes were read from <paramref name="offset"/> on; negative when it failed.</summary>
    public nint ReadAt(int file, void* buffer, nuint bytes, long offset) =>
        _pread == null ? -1 : _pread(file, buffer, bytes, offset);

    /// <summary>Fills <paramref name="buffer"/> from the start of the file; returns what was read, empty when it cannot be.</summary>
    public ReadOnlySpan<byte> Read(ReadOnlySpan<byte> path, Span<byte> buffer)
    {
        int file = Open(path);
        if (file < 0)
        {
            return default;
        }

        int filled = 0;
        fixed (byte* start = buffer)
        {
            nint got;
            while (filled < buffer.Length && (got = _read(file, start + filled, (nuint)(buffer.Length - filled))) > 0)
            {
                filled += (int)got;
            }
        }

        Close(file);
        return buffer[..filled];
    }

    /// <summary>The text of a file, or null.</summary>
    public string? ReadText(string path)
    {
        Span<byte> name = stackalloc byte[512];
        if (!Encoding.UTF8.TryGetBytes(path, name[..^1], out int written))
        {
            return null;
        }

        name[written] = 0;
        Span<byte> buffer = stackalloc byte[8192];
        ReadOnlySpan<byte> text = Read(name[..(written + 1)], buffer);
        return text.IsEmpty ? null : Encoding.UTF8.GetString(text).TrimEnd();
    }

    /// <summary>The number after <paramref name="label"/> in <paramref name="text"/>; 0 when it is not there.</summary>
    public static ulong NumberAfter(ReadOnlySpan<byte> text, ReadOnlySpan<byte> label)
    {
        int at = text.IndexOf(label);
        return at < 0 ? 0 : FirstNumber(text[(at + label.Length)..]);
    }

    /// <summary>The first decimal number in <paramref name="text"/>; 0 when there is none.</summary>
    public static ulong FirstNumber(ReadOnlySpan<byte> text)
    {
        int start = text.IndexOfAnyInRange((byte)'0', (byte)'9');
        ulong value = 0;
        for (int i = start; i >= 0 && i < text.Length && text[i] is >= (byte)'0' and <= (byte)'9'; i++)
        {
            value = (value * 10) + (ulong)(text[i] - '0');
        }

        return value;
    }

    private static nint Address(INativeContext context, string function) =>
        context.TryGetProcAddress(function, out nint address) ? address : 0;
}
