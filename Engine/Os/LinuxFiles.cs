using System.Diagnostics;
using System.Text;
using Silk.NET.Core.Contexts;

namespace SuperSlab;

/// <summary>Reads small system files through the C library, because .NET's files allocate managed memory.</summary>
internal sealed unsafe class LinuxFiles(INativeContext context)
{
    private readonly delegate* unmanaged<byte*, int, int, int> _open =
        (delegate* unmanaged<byte*, int, int, int>)context.Find("open");
    private readonly delegate* unmanaged<int, void*, nuint, nint> _read =
        (delegate* unmanaged<int, void*, nuint, nint>)context.Find("read");
    private readonly delegate* unmanaged<int, void*, nuint, long, nint> _pread =
        (delegate* unmanaged<int, void*, nuint, long, nint>)context.Find("pread");
    private readonly delegate* unmanaged<int, nuint, nint, int> _ioctl =
        (delegate* unmanaged<int, nuint, nint, int>)context.Find("ioctl");
    private readonly delegate* unmanaged<int, int> _close = (delegate* unmanaged<int, int>)context.Find("close");

    /// <summary>Whether an open file can be read, controlled and closed.</summary>
    public bool CanControl => _read != null && _ioctl != null && _close != null;

    /// <summary>The file descriptor, or -1. <paramref name="path"/> is ASCII and ends with a zero byte.</summary>
    public int Open(ReadOnlySpan<byte> path)
    {
        const int ReadOnlyCloseOnExec = 0x80000;
        Debug.Assert(path.EndsWith((byte)0), "The kernel reads up to the zero byte.");
        if (_open == null || _read == null || _close == null)
            return -1;

        fixed (byte* name = path)
            return _open(name, ReadOnlyCloseOnExec, 0);
    }

    public void Close(int file) => _ = _close(file);

    /// <summary>How many bytes were read; negative on failure.</summary>
    public nint Read(int file, void* buffer, nuint bytes) => _read(file, buffer, bytes);

    /// <summary>How many bytes were read from <paramref name="offset"/> on; negative on failure.</summary>
    public nint ReadAt(int file, void* buffer, nuint bytes, long offset) =>
        _pread == null ? -1 : _pread(file, buffer, bytes, offset);

    /// <summary>
    /// Copies this process's memory, which may be unmapped by now; false where it is not all there. The kernel makes
    /// what it reads resident, even where nobody may access it: never for memory that may have no contents.
    /// </summary>
    public bool TryReadMemory(nuint address, void* buffer, nuint bytes)
    {
        int memory = Open("/proc/self/mem\0"u8);
        if (memory < 0)
            return false;

        nint got = ReadAt(memory, buffer, bytes, (long)address);
        Close(memory);
        return got == (nint)bytes;
    }

    /// <summary>What ioctl returns; -1 on failure.</summary>
    public int Control(int file, nuint request, nint argument) => _ioctl == null ? -1 : _ioctl(file, request, argument);

    /// <summary>Whether a file or folder can be opened.</summary>
    public bool Exists(ReadOnlySpan<byte> path)
    {
        int file = Open(path);
        if (file >= 0)
            Close(file);

        return file >= 0;
    }

    /// <summary>Fills the buffer from the start of the file; returns what was read, empty on failure.</summary>
    public ReadOnlySpan<byte> Read(scoped ReadOnlySpan<byte> path, Span<byte> buffer)
    {
        int file = Open(path);
        if (file < 0)
            return default;

        int filled = 0;
        fixed (byte* start = buffer)
        {
            nint got;
            while (filled < buffer.Length && (got = _read(file, start + filled, (nuint)(buffer.Length - filled))) > 0)
                filled += (int)got;
        }

        Close(file);
        return buffer[..filled];
    }

    /// <summary>The whole file; the buffer grows until it fits.</summary>
    public ReadOnlySpan<byte> ReadAll(ReadOnlySpan<byte> path, ref byte[] buffer)
    {
        ReadOnlySpan<byte> text = Read(path, buffer);
        while (text.Length == buffer.Length)
        {
            buffer = new byte[2 * buffer.Length];
            text = Read(path, buffer);
        }

        return text;
    }

    /// <summary>The same for a path that is put together.</summary>
    public ReadOnlySpan<byte> Read(string path, Span<byte> buffer)
    {
        Span<byte> name = stackalloc byte[512];
        if (!Encoding.UTF8.TryGetBytes(path, name[..^1], out int written))
            return default;

        name[written] = 0;
        return Read(name[..(written + 1)], buffer);
    }

    /// <summary>The text of a file, at most 8 KiB of it, or null.</summary>
    public string? ReadText(string path)
    {
        Span<byte> buffer = stackalloc byte[8192];
        ReadOnlySpan<byte> text = Read(path, buffer);
        return text.IsEmpty ? null : Encoding.UTF8.GetString(text).TrimEnd();
    }

    /// <summary>The first decimal number after the label; 0 where there is none.</summary>
    public static ulong NumberAfter(ReadOnlySpan<byte> text, ReadOnlySpan<byte> label)
    {
        int at = text.IndexOf(label);
        return at < 0 ? 0 : FirstNumber(text[(at + label.Length)..]);
    }

    /// <summary>The first decimal number; 0 where there is none.</summary>
    public static ulong FirstNumber(ReadOnlySpan<byte> text)
    {
        int start = text.IndexOfAnyInRange((byte)'0', (byte)'9');
        ulong value = 0;
        for (int i = start; i >= 0 && i < text.Length && text[i] is >= (byte)'0' and <= (byte)'9'; i++)
            value = (value * 10) + (ulong)(text[i] - '0');

        return value;
    }
}
