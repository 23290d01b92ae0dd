using System.Runtime.InteropServices;
using System.Text;
using Silk.NET.Core.Contexts;

namespace Engine.Tests.Os;

/// <summary>
/// The operating system's functions, which find the files of a folder of the test in place of some of the system's
/// own. One lives at a time, because native code calls static functions.
/// <code>
/// using RedirectedFiles files = new("/sys/kernel");                   // nothing of it is there
/// files.Write("/sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never");
/// VirtualMemory os = VirtualMemory.Create(files);
/// </code>
/// </summary>
internal sealed unsafe class RedirectedFiles : INativeContext
{
    private static string[] s_prefixes = [];
    private static string s_folder = string.Empty;
    private static nint s_open;
    private readonly INativeContext _inner;
    private readonly string _folder = Directory.CreateTempSubdirectory("superslab-files-").FullName;

    public RedirectedFiles(params string[] prefixes)
        : this(new SystemLibraries(), prefixes)
    {
    }

    /// <param name="inner">Where other functions come from.</param>
    /// <param name="prefixes">The beginnings of the paths that are the test's.</param>
    public RedirectedFiles(INativeContext inner, params string[] prefixes)
    {
        Assume.That(OperatingSystem.IsLinux(), "the files are Linux's");
        _inner = inner;
        s_open = inner.GetProcAddress("open");
        s_prefixes = prefixes;
        s_folder = _folder;
    }

    public void Write(string path, string text)
    {
        string real = _folder + path;
        Directory.CreateDirectory(Path.GetDirectoryName(real)!);
        File.WriteAllText(real, text + "\n");
    }

    public void CreateFolder(string path) => Directory.CreateDirectory(_folder + path);

    public bool TryGetProcAddress(string proc, out nint addr, int? slot = default)
    {
        bool isFound = _inner.TryGetProcAddress(proc, out addr);
        if (isFound && proc == "open")
            addr = (nint)(delegate* unmanaged<byte*, int, int, int>)&Open;

        return isFound;
    }

    public nint GetProcAddress(string proc, int? slot = default) =>
        TryGetProcAddress(proc, out nint address, slot) ? address : throw new EntryPointNotFoundException(proc);

    public void Dispose()
    {
        s_prefixes = [];
        Directory.Delete(_folder, recursive: true);
    }

    [UnmanagedCallersOnly]
    private static int Open(byte* path, int flags, int mode)
    {
        var open = (delegate* unmanaged<byte*, int, int, int>)s_open;
        string text = Marshal.PtrToStringUTF8((nint)path)!;
        if (!Array.Exists(s_prefixes, prefix => text.StartsWith(prefix, StringComparison.Ordinal)))
            return open(path, flags, mode);

        fixed (byte* real = Encoding.UTF8.GetBytes(s_folder + text + "\0"))
            return open(real, flags, mode);
    }
}
