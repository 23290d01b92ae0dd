using Silk.NET.Core.Contexts;

namespace Engine.Platform;

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
        {
            LinuxThreadPriority.Lower(CreateContext());
        }
    }

    /// <summary>The functions of the system's own libraries.</summary>
    public static SystemLibraries CreateContext() =>
        OperatingSystem.IsWindows() ? new SystemLibraries("kernel32.dll", "kernelbase.dll", "advapi32.dll") : new SystemLibraries();
}
