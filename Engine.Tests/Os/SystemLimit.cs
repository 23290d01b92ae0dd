using System.Runtime.InteropServices;

namespace Engine.Tests.Os;

/// <summary>A soft limit of this process, lowered for one test and put back.</summary>
internal sealed unsafe class SystemLimit : IDisposable
{
    private const int LockedMemory = 8; // RLIMIT_MEMLOCK
    private const int AddressSpace = 9; // RLIMIT_AS

    private readonly int _resource;
    private readonly ulong[] _before = new ulong[2];

    private SystemLimit(int resource, ulong value)
    {
        Assume.That(OperatingSystem.IsLinux(), "the numbers of limits are Linux's");
        _resource = resource;
        ulong[] limit = [value, 0];
        fixed (ulong* before = _before, wanted = limit)
        {
            bool isSet = getrlimit(resource, before) == 0;
            wanted[1] = before[1];
            Assume.That(isSet && setrlimit(resource, wanted) == 0, "the limit cannot be lowered here");
        }
    }

    /// <summary>Leaves the process so much more address space than it has.</summary>
    public static SystemLimit LeavesAddressSpace(ulong bytes)
    {
        ulong pages = ulong.Parse(File.ReadAllText("/proc/self/statm").Split(' ')[0], null);
        return new SystemLimit(AddressSpace, (pages * (ulong)Environment.SystemPageSize) + bytes);
    }

    public static SystemLimit OfLockedMemory(ulong bytes) => new(LockedMemory, bytes);

    public void Dispose()
    {
        fixed (ulong* before = _before)
            _ = setrlimit(_resource, before);
    }

    [DllImport("libc")]
    private static extern int getrlimit(int resource, ulong* limit);

    [DllImport("libc")]
    private static extern int setrlimit(int resource, ulong* limit);
}
