using System.Runtime.InteropServices;

namespace Engine.Platform;

/// <summary>Error numbers that are the same on every POSIX system, and the text of all.</summary>
internal static class Errno
{
    public const int None = 0;
    public const int NotPermitted = 1;
    public const int Interrupted = 4;
    public const int OutOfMemory = 12;
    public const int BadAddress = 14;
    public const int Invalid = 22;

    /// <summary>"mprotect: Cannot allocate memory (12)".</summary>
    public static string Describe(string call, int errno) => $"{call}: {Marshal.GetPInvokeErrorMessage(errno)} ({errno})";
}
