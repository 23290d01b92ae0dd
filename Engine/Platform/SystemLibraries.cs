using System.Runtime.InteropServices;
using Silk.NET.Core.Contexts;

namespace Engine.Platform;

/// <summary>
/// The functions of the operating system's own libraries, by name. Without library names: whatever the process has
/// loaded already, which on every POSIX system includes the C library.
/// </summary>
internal sealed class SystemLibraries : INativeContext
{
    private readonly nint[] _libraries;

    public SystemLibraries(params ReadOnlySpan<string> names)
    {
        if (names.IsEmpty)
        {
            _libraries = [NativeLibrary.GetMainProgramHandle()];
            return;
        }

        var found = new List<nint>(names.Length);
        foreach (string name in names)
        {
            if (NativeLibrary.TryLoad(name, out nint library))
            {
                found.Add(library);
            }
        }

        _libraries = [.. found];
    }

    public bool TryGetProcAddress(string proc, out nint addr, int? slot = default)
    {
        foreach (nint library in _libraries)
        {
            if (NativeLibrary.TryGetExport(library, proc, out addr))
            {
                return true;
            }
        }

        addr = 0;
        return false;
    }

    public nint GetProcAddress(string proc, int? slot = default) =>
        TryGetProcAddress(proc, out nint address, slot)
            ? address
            : throw new EntryPointNotFoundException($"The operating system's libraries have no function named {proc}.");

    /// <summary>Nothing to do: the operating system's libraries stay loaded for the life of the process.</summary>
    public void Dispose()
    {
    }
}
