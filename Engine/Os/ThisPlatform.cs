using System.Runtime.InteropServices;
using Silk.NET.Core.Contexts;

namespace SuperSlab;

/// <summary>The one place that asks which operating system this is.</summary>
internal static class ThisPlatform
{
    public static bool HasPerfEvents => IsLinux;

    public static bool HasFutexes => IsLinux;

    private static bool IsLinux => OperatingSystem.IsLinux() || OperatingSystem.IsAndroid();

    private static bool IsMac => OperatingSystem.IsMacOS() || OperatingSystem.IsIOS() || OperatingSystem.IsMacCatalyst();

    public static VirtualMemory CreateVirtualMemory(INativeContext? context)
    {
        context ??= CreateContext();
        return IsLinux ? new LinuxVirtualMemory(context)
            : OperatingSystem.IsWindows() ? new WindowsVirtualMemory(context)
            : IsMac ? new MacVirtualMemory(context)
            : new PosixVirtualMemory(context, PosixConstants.Bsd);
    }

    public static IFaultCounter CreateFaultCounter()
    {
        INativeContext context = CreateContext();
        return IsLinux ? new PosixFaultCounter(context, PosixConstants.Linux.FaultsOfThread)
            : OperatingSystem.IsWindows() ? new WindowsFaultCounter(new WindowsFunctions(context))
            : IsMac && new MacFunctions(context) is { IsPresent: true } mach ? new MacFaultCounter(mach)
            : new PosixFaultCounter(context, PosixConstants.Bsd.FaultsOfThread);
    }

    /// <summary>
    /// The calling thread, which must be one that ends with its low-priority work, gives way to all others from now on: it runs on what they
    /// leave. Where the system does not let it, it goes on as before.
    /// </summary>
    public static void LowerThreadPriority()
    {
        // The runtime passes it on where priorities belong to threads; on Linux it does nothing.
        Thread.CurrentThread.Priority = ThreadPriority.Lowest;
        if (IsLinux)
            LinuxThreadPriority.Lower(CreateContext());
    }

    /// <summary>The functions of the system's own libraries.</summary>
    public static SystemLibraries CreateContext() =>
        OperatingSystem.IsWindows() ? new SystemLibraries("kernel32.dll", "kernelbase.dll", "advapi32.dll") : new SystemLibraries();
}

/// <summary>The systems that the platform folder tells apart.</summary>
[Flags]
internal enum SystemKinds
{
    None = 0,
    Linux = 1,
    Windows = 2,
    Mac = 4,
    OtherPosix = 8,
}

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
                found.Add(library);
        }

        _libraries = [.. found];
    }

    public bool TryGetProcAddress(string proc, out nint addr, int? slot = default)
    {
        foreach (nint library in _libraries)
        {
            if (NativeLibrary.TryGetExport(library, proc, out addr))
                return true;
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
