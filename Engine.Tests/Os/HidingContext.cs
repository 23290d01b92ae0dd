using Silk.NET.Core.Contexts;

namespace Engine.Tests.Os;

/// <summary>The operating system's functions as an older version of it has them: without those that are
/// named.</summary>
internal sealed class HidingContext(params string[] hidden) : INativeContext
{
    private readonly SystemLibraries _system = OperatingSystem.IsWindows()
        ? new("kernel32.dll", "kernelbase.dll", "advapi32.dll")
        : new();

    public bool TryGetProcAddress(string proc, out nint addr, int? slot = default)
    {
        addr = 0;
        return !hidden.Contains(proc) && _system.TryGetProcAddress(proc, out addr);
    }

    public nint GetProcAddress(string proc, int? slot = default) =>
        TryGetProcAddress(proc, out nint address) ? address : throw new EntryPointNotFoundException(proc);

    public void Dispose()
    {
    }
}
