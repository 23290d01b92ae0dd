using Silk.NET.Core.Contexts;

namespace Engine.Platform;

/// <summary>The one place that asks which operating system this is.</summary>
internal static class ThisPlatform
{
    public static bool HasPerfEvents => OperatingSystem.IsLinux() || OperatingSystem.IsAndroid();

    public static VirtualMemory CreateVirtualMemory(INativeContext? context)
    {
        if (OperatingSystem.IsLinux() || OperatingSystem.IsAndroid())
        {
            return new LinuxVirtualMemory(context ?? new SystemLibraries());
        }

        throw new PlatformNotSupportedException("The engine's memory system knows Linux, Windows, macOS and other POSIX systems.");
    }

    public static IFaultCounter CreateFaultCounter(INativeContext? context)
    {
        if (OperatingSystem.IsLinux() || OperatingSystem.IsAndroid())
        {
            return new PosixFaultCounter(context ?? new SystemLibraries(), threadScope: 1);
        }

        return new NoFaultCounter();
    }
}
