using System.Runtime.InteropServices;

namespace Engine.Platform;

/// <summary>The policies that need no help from the operating system: write to every page, or to every byte.</summary>
internal static unsafe class PageToucher
{
    /// <summary>
    /// One write to each page, which keeps its contents. A locked or-with-zero is one write fault; reading first and
    /// writing back would be two (the read maps the shared zero page).
    /// </summary>
    public static void Touch(nint address, nuint bytes, nuint pageBytes)
    {
        for (nuint offset = 0; offset < bytes; offset += pageBytes)
        {
            Interlocked.Or(ref *(int*)((nuint)address + offset), 0);
        }
    }

    /// <summary>Overwrites the range with zeros.</summary>
    public static void Clear(nint address, nuint bytes) => NativeMemory.Clear((void*)address, bytes);
}
