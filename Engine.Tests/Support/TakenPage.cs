using System.Runtime.InteropServices;

namespace Engine.Tests.Support;

/// <summary>Takes a page that was ready away behind the engine's back, as the kernel may.</summary>
internal static unsafe partial class TakenPage
{
    private const int DontNeed = 4; // MADV_DONTNEED

    /// <summary>The page of an address is gone with its contents; the next touch of it faults.</summary>
    public static void Take(void* address)
    {
        nint page = (nint)((nuint)address & ~((nuint)Environment.SystemPageSize - 1));
        Assert.That(madvise(page, (nuint)Environment.SystemPageSize, DontNeed), Is.Zero, "madvise");
    }

    [LibraryImport("libc")]
    private static partial int madvise(nint address, nuint bytes, int advice);
}
