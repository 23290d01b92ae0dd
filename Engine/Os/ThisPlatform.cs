using System.Runtime.InteropServices;
using Silk.NET.Core.Contexts;

namespace SuperSlab;

/// <summary>The one place that asks which operating system this is.</summary>
internal static class ThisPlatform
{
    public static bool HasPerfEvents => IsLinux;

    public static bool IsLinux => OperatingSystem.IsLinux() || OperatingSystem.IsAndroid();

    private static bool IsMac =>
        OperatingSystem.IsMacOS() || OperatingSystem.IsIOS() || OperatingSystem.IsMacCatalyst();

    public static VirtualMemory CreateVirtualMemory(INativeContext? context)
    {
        context ??= CreateContext();
        return IsLinux ? new LinuxVirtualMemory(context)
            : OperatingSystem.IsWindows() ? new WindowsVirtualMemory(context)
            : IsMac ? new MacVirtualMemory(context)
            : new PosixVirtualMemory(context, PosixConstants.Bsd);
    }

    public static FaultCounter CreateFaultCounter()
    {
        INativeContext context = CreateContext();
        return IsLinux ? new PosixFaultCounter(context, PosixConstants.Linux.FaultsOfThread)
            : OperatingSystem.IsWindows() ? new WindowsFaultCounter(new WindowsFunctions(context))
            : IsMac && new MacFunctions(context) is { IsPresent: true } mach ? new MacFaultCounter(mach)
            : new PosixFaultCounter(context, PosixConstants.Bsd.FaultsOfThread);
    }

    /// <summary>Why nothing of the engine works in a process; null where it does.</summary>
    /// <param name="pointerBytes">The size of its addresses.</param>
    /// <param name="isWebAssembly">Whether it is WebAssembly, in a browser or under WASI.</param>
    public static string? WhyUnsupported(int pointerBytes, bool isWebAssembly) =>
        isWebAssembly ? "SuperSlab needs a system that reserves addresses and memory apart, which WebAssembly cannot."
        : pointerBytes < 8 ? "SuperSlab reserves gigabytes of addresses, and this process has 32-bit addresses: run it"
            + " as a 64-bit process (PlatformTarget x64 or arm64)."
        : null;

    /// <exception cref="PlatformNotSupportedException">Nothing of the engine works in this process.</exception>
    public static void ThrowIfUnsupported()
    {
        bool isWebAssembly = OperatingSystem.IsBrowser() || OperatingSystem.IsWasi();
        if (WhyUnsupported(nint.Size, isWebAssembly) is { } reason)
            throw new PlatformNotSupportedException(reason);
    }

    /// <summary>Makes the calling thread give way to all others, for good, where the system lets it.</summary>
    public static void LowerThreadPriority()
    {
        // .NET sets the priority where priorities belong to threads; on Linux it does nothing.
        Thread.CurrentThread.Priority = ThreadPriority.Lowest;
        if (IsLinux)
            LinuxThread.LowerPriority(CreateContext());
    }

    /// <summary>The functions of the system's own libraries.</summary>
    public static SystemLibraries CreateContext() =>
        OperatingSystem.IsWindows() ? new("kernel32.dll", "kernelbase.dll", "advapi32.dll") : new();

    /// <summary>The address of a function; 0 where the libraries lack it.</summary>
    public static nint Find(this INativeContext context, string function) =>
        context.TryGetProcAddress(function, out nint address) ? address : 0;

    /// <summary>The address of a function without which the engine cannot work.</summary>
    /// <exception cref="EngineMemoryException">The libraries lack it.</exception>
    public static nint Require(this INativeContext context, string function) =>
        context.TryGetProcAddress(function, out nint address) ? address : throw new EngineMemoryException(
            $"The system's libraries have no function named {function}, which the engine needs to manage memory.");
}

/// <summary>The systems that the prefault table tells apart.</summary>
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
/// The functions of the operating system's own libraries, by name. Without library names it searches what the process
/// has loaded already, which on every POSIX system includes the C library.
/// </summary>
internal sealed class SystemLibraries : INativeContext
{
    private readonly nint[] _libraries;

    public SystemLibraries(params ReadOnlySpan<string> names)
    {
        List<nint> found = names.IsEmpty ? [NativeLibrary.GetMainProgramHandle()] : [];
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

    /// <summary>Does nothing: the operating system's libraries stay loaded for the life of the process.</summary>
    public void Dispose()
    {
    }
}
