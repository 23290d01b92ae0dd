namespace Engine.Tests.Support;

/// <summary>What the kernel says that this process has pinned and locked, in bytes.</summary>
internal readonly record struct KeptMemory(long Pinned, long Locked)
{
    public static KeptMemory Read()
    {
        (long pinned, long locked) = (0, 0);
        foreach (string line in File.ReadLines("/proc/self/status"))
        {
            if (line.StartsWith("VmPin:", StringComparison.Ordinal))
                pinned = BytesOf(line);
            else if (line.StartsWith("VmLck:", StringComparison.Ordinal))
                locked = BytesOf(line);
        }

        return new KeptMemory(pinned, locked);
    }

    /// <summary>Both together.</summary>
    public long Bytes => Pinned + Locked;

    /// <summary>Leaves out a test where the kernel or a limit forbids pins.</summary>
    public static void AssumePins()
    {
        Assume.That(OperatingSystem.IsLinux(), "pins are Linux's");
        VirtualMemory os = VirtualMemory.Create();
        nuint bytes = 32 << 20;
        Assume.That(os.TryReserve(bytes, 2 << 20, out nint address), "address space is short");
        os.Commit(address, bytes);
        bool isPinned = os.TryPin(address, bytes, out PrefaultFailure failure);
        os.Release(address, bytes);
        Assume.That(isPinned, $"pages cannot be pinned here: {failure.Reason}");
    }

    // "VmPin:	    2048 kB"
    private static long BytesOf(string line) => long.Parse(line[6..^3].Trim(), null) * 1024;
}
