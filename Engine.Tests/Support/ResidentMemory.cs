namespace Engine.Tests.Support;

/// <summary>The memory that the process really holds, asked from the operating system; the engine's own counters prove
/// nothing.</summary>
internal static class ResidentMemory
{
    /// <summary>What the process may gain or lose meanwhile in MiB, whatever the engine does: code that is compiled,
    /// a managed heap that gives back. Tests move more than that, or ask for the engine's pages alone.</summary>
    public const double NoiseMiB = 12;

    private static readonly VirtualMemory Os = VirtualMemory.Create();

    /// <summary>Resident bytes now, of the whole process.</summary>
    public static nuint Bytes
    {
        get
        {
            nuint bytes = Os.ResidentBytes;
            return bytes != 0 ? bytes : (nuint)Environment.WorkingSet;
        }
    }

    /// <summary>Pages with a part of a block that a write would fault on; -1 where the system does not tell.</summary>
    public static long PagesThatWouldFaultOn(this EngineMemory memory, nint block, nuint bytes)
    {
        nuint pageBytes = (nuint)Environment.SystemPageSize;
        nuint offset = (nuint)block & (pageBytes - 1);
        return memory.PagesThatWouldFault(block - (nint)offset, (offset + bytes + pageBytes - 1) & ~(pageBytes - 1));
    }

    /// <summary>How much resident memory has changed since <paramref name="before"/>, in MiB.</summary>
    public static double MiBSince(nuint before) => ((double)Bytes - before) / Sizes.MiB;

    /// <summary>The same, after the garbage that the test made itself is gone.</summary>
    public static double SettledMiBSince(nuint before) => ((double)Settled() - before) / Sizes.MiB;

    /// <summary>As <see cref="Bytes"/>, after the garbage of earlier tests is gone.</summary>
    public static nuint Settled()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        return Bytes;
    }
}
