using System.Numerics;
using System.Runtime.InteropServices;
using Silk.NET.Core.Contexts;

namespace SuperSlab;

/// <summary>
/// One perf event, "page-faults of this thread", with its ring. See perf_event_open(2). The mapping is one control page and
/// then the ring:
///
///   control page: data_head at byte 1024 (the kernel writes), data_tail at byte 1032 (we write)
///   ring:         records of { u32 type, u16 misc, u16 size, ... }
///   a sample:     { header, u64 address }, or in detail { header, u64 time, u64 address, u64 n, u64 callers[n] }
///
/// In detail it is two events with one ring: minor faults and major faults. Together they are what getrusage counts, less the pages that
/// the kernel put there on request. The one event "page-faults" would also count what ends in a signal or is taken up again.
/// </summary>
internal sealed unsafe class PerfEvent : IDisposable
{
    private const int SampleBytes = 16;
    private const int HeadOffset = 1024;
    private const int TailOffset = 1032;
    private const uint LostRecord = 2;
    private const uint SampleRecord = 9;
    private const int IoctlEnable = 0x2400;
    private const int IoctlDisable = 0x2401;
    private const int IoctlReset = 0x2403;
    private const int IoctlSetOutput = 0x2405;
    private const int None = -1;

    private readonly PerfFunctions _os;
    private readonly int _file;
    private readonly int _second;
    private readonly byte* _control;
    private readonly byte* _ring;
    private readonly nuint _ringBytes;
    private readonly nuint _mappedBytes;

    private PerfEvent(PerfFunctions os, int file, int second, nint mapped, nuint mappedBytes)
    {
        _os = os;
        _file = file;
        _second = second;
        _control = (byte*)mapped;
        _mappedBytes = mappedBytes;
        _ring = _control + PageBytes;
        _ringBytes = mappedBytes - PageBytes;

        // Neither the ring nor the control page may fault in the window that is observed.
        for (nuint offset = 0; offset < mappedBytes; offset += PageBytes)
            _ = Volatile.Read(ref _control[offset]);

        Volatile.Write(ref *(ulong*)(_control + TailOffset), 0);
    }

    public long LostCount { get; private set; }

    /// <summary>Whether faults are seen that the kernel takes at the program's addresses, in a system call.</summary>
    public bool SeesKernel { get; private init; }

    private static nuint PageBytes => (nuint)Environment.SystemPageSize;

    /// <summary>An event with addresses for the calling thread, disabled; null when it is not to be had, with the reason.</summary>
    public static PerfEvent? TryOpen(int capacity, out string reason)
    {
        if (PerfFunctions.Find(new SystemLibraries(), out reason) is not { } os)
            return null;

        int file = os.Open(PerfFunctions.Event.PageFaults, None, withKernel: false, callers: 0);
        if (file < 0)
        {
            reason = Refusal();
            return null;
        }

        nuint ringBytes = nuint.Max(PageBytes, (nuint)BitOperations.RoundUpToPowerOf2((uint)capacity) * SampleBytes);
        PerfEvent? opened = TryMap(os, file, None, ringBytes, withKernel: false, ref reason);
        if (opened is null)
            _ = os.Close(file);

        return opened;
    }

    /// <summary>
    /// The calling thread's minor and major faults in detail, with those that the kernel takes for it where that is permitted. Disabled;
    /// null when it is not to be had, with the reason.
    /// </summary>
    /// <param name="context">Where the functions are found.</param>
    /// <param name="ringBytes">A power of two of at least 64 KiB; the half of it, and so on down to that, where the system grants no more.</param>
    /// <param name="callers">The most callers that a sample has.</param>
    /// <param name="reason">Why not.</param>
    public static PerfEvent? TryOpenInDetail(INativeContext context, nuint ringBytes, int callers, out string reason)
    {
        const nuint SmallestRingBytes = 64 * 1024;
        if (PerfFunctions.Find(context, out reason) is not { } os)
            return null;

        bool withKernel = true;
        int minor = os.Open(PerfFunctions.Event.MinorFaults, None, withKernel, callers);
        if (minor < 0)
        {
            withKernel = false;
            minor = os.Open(PerfFunctions.Event.MinorFaults, None, withKernel, callers);
        }

        int major = minor < 0 ? None : os.Open(PerfFunctions.Event.MajorFaults, minor, withKernel, callers);
        if (major < 0)
        {
            reason = Refusal();
            _ = minor < 0 ? 0 : os.Close(minor);
            return null;
        }

        PerfEvent? opened = null;
        for (nuint bytes = ringBytes; opened is null && bytes >= SmallestRingBytes; bytes /= 2)
            opened = TryMap(os, minor, major, bytes, withKernel, ref reason);

        if (opened is null)
        {
            _ = os.Close(major);
            _ = os.Close(minor);
        }

        return opened;
    }

    public void Enable() => _ = _os.Ioctl(_file, IoctlEnable, 0);

    public void Disable() => _ = _os.Ioctl(_file, IoctlDisable, 0);

    public void Reset()
    {
        const nint WholeGroup = 1;
        _ = _os.Ioctl(_file, IoctlReset, WholeGroup);
        LostCount = 0;
    }

    public long ReadCount() => ReadCount(_file) + (_second == None ? 0 : ReadCount(_second));

    /// <summary>The oldest recorded address; false when there is none.</summary>
    public bool TryTake(out nuint address)
    {
        bool found = TryFindSample(out ulong record);
        address = found ? (nuint)At(record + 8) : 0;
        Release(record, found);
        return found;
    }

    /// <summary>The oldest fault recorded in detail; false when there is none. One thread at a time, whichever.</summary>
    public bool TryTake(ref FaultSample sample)
    {
        const ulong SmallestMark = unchecked((ulong)-4096);
        const ulong ModeMask = 7;
        const ulong KernelMode = 1;
        bool found = TryFindSample(out ulong record);
        if (found)
        {
            sample.IsByKernel = ((At(record) >> 32) & ModeMask) == KernelMode;
            sample.Time = (long)At(record + 8);
            sample.Address = (nuint)At(record + 16);
            ulong entries = At(record + 24);
            sample.CallerCount = 0;
            for (ulong entry = 0; entry < entries && sample.CallerCount < FaultSample.MaximumCallers; entry++)
            {
                // Between the addresses stand marks, which are small negative numbers.
                ulong caller = At(record + 32 + (entry * sizeof(ulong)));
                if (caller < SmallestMark)
                    sample.Callers[sample.CallerCount++] = (nuint)caller;
            }
        }

        Release(record, found);
        return found;
    }

    public void Dispose()
    {
        _ = _os.Munmap((nint)_control, _mappedBytes);
        _ = _second == None ? 0 : _os.Close(_second);
        _ = _os.Close(_file);
    }

    private static string Refusal() =>
        Errno.Describe("perf_event_open", Marshal.GetLastSystemError()) + "; see /proc/sys/kernel/perf_event_paranoid";

    private static PerfEvent? TryMap(PerfFunctions os, int file, int second, nuint ringBytes, bool withKernel, ref string reason)
    {
        const int ReadAndWrite = 3;
        const int Shared = 1;
        nint mapped = os.Mmap(0, PageBytes + ringBytes, ReadAndWrite, Shared, file, 0);
        if (mapped == -1)
        {
            reason = Errno.Describe("mmap of the ring", Marshal.GetLastSystemError()) + "; see /proc/sys/kernel/perf_event_mlock_kb";
            return null;
        }

        if (second != None && os.Ioctl(second, IoctlSetOutput, file) != 0)
        {
            reason = Errno.Describe("PERF_EVENT_IOC_SET_OUTPUT", Marshal.GetLastSystemError());
            _ = os.Munmap(mapped, PageBytes + ringBytes);
            return null;
        }

        reason = "available";
        return new PerfEvent(os, file, second, mapped, PageBytes + ringBytes) { SeesKernel = withKernel };
    }

    private long ReadCount(int file)
    {
        long count = 0;
        return _os.Read(file, &count, sizeof(long)) == sizeof(long) ? count : 0;
    }

    /// <summary>Where the oldest sample begins; false, and where the records end, when there is none.</summary>
    private bool TryFindSample(out ulong record)
    {
        ulong head = Volatile.Read(ref *(ulong*)(_control + HeadOffset));
        record = *(ulong*)(_control + TailOffset);
        while (record < head && (uint)At(record) != SampleRecord)
        {
            LostCount += (uint)At(record) == LostRecord ? (long)At(record + 16) : 0; // { header, id, lost }
            record += SizeAt(record);
        }

        return record < head;
    }

    /// <summary>Lets the kernel write where everything before a record was, and the record itself too if it has been read.</summary>
    private void Release(ulong record, bool isRead) =>
        Volatile.Write(ref *(ulong*)(_control + TailOffset), isRead ? record + SizeAt(record) : record);

    private ulong SizeAt(ulong record) => At(record) >> 48;

    /// <summary>Records are multiples of 8 bytes, so no 64-bit word wraps around.</summary>
    private ulong At(ulong position) => *(ulong*)(_ring + ((nuint)position & (_ringBytes - 1)));
}

/// <summary>The C library's functions that a <see cref="PerfEvent"/> needs.</summary>
internal sealed unsafe class PerfFunctions
{
    private const int AttributeBytes = 112; // PERF_ATTR_SIZE_VER5

    private readonly delegate* unmanaged<nint, nint, nint, nint, nint, nint, nint> _syscall;

    private readonly nint _openNumber = RuntimeInformation.ProcessArchitecture switch
    {
        Architecture.X64 => 298,
        Architecture.Arm64 or Architecture.RiscV64 or Architecture.LoongArch64 => 241,
        _ => 0,
    };

    private PerfFunctions(INativeContext context)
    {
        _syscall = (delegate* unmanaged<nint, nint, nint, nint, nint, nint, nint>)Optional(context, "syscall");
        Mmap = (delegate* unmanaged<nint, nuint, int, int, int, nint, nint>)Optional(context, "mmap");
        Munmap = (delegate* unmanaged<nint, nuint, int>)Optional(context, "munmap");
        Ioctl = (delegate* unmanaged<int, nuint, nint, int>)Optional(context, "ioctl");
        Read = (delegate* unmanaged<int, void*, nuint, nint>)Optional(context, "read");
        Close = (delegate* unmanaged<int, int>)Optional(context, "close");
    }

    /// <summary>What is counted: the numbers of perf_event_open's software events.</summary>
    public enum Event : ulong
    {
        PageFaults = 2,
        MinorFaults = 5,
        MajorFaults = 6,
    }

    public delegate* unmanaged<nint, nuint, int, int, int, nint, nint> Mmap { get; }

    public delegate* unmanaged<nint, nuint, int> Munmap { get; }

    public delegate* unmanaged<int, nuint, nint, int> Ioctl { get; }

    public delegate* unmanaged<int, void*, nuint, nint> Read { get; }

    public delegate* unmanaged<int, int> Close { get; }

    private bool IsComplete => _syscall != null && Mmap != null && Munmap != null && Ioctl != null && Read != null && Close != null;

    /// <summary>The functions, or null with the reason.</summary>
    public static PerfFunctions? Find(INativeContext context, out string reason)
    {
        PerfFunctions functions = new(context);
        if (!ThisPlatform.HasPerfEvents || functions._openNumber == 0)
        {
            reason = "recording faults needs perf_event_open, which is known here for 64-bit Linux only";
            return null;
        }

        reason = functions.IsComplete ? "available" : "the C library lacks syscall, mmap, ioctl or read";
        return functions.IsComplete ? functions : null;
    }

    /// <summary>An event of the calling thread. A leader begins disabled; another event is counted with its leader.</summary>
    /// <param name="counted">Which.</param>
    /// <param name="leader">The event that it belongs to, or -1.</param>
    /// <param name="withKernel">Whether those count that the kernel takes in the thread's system calls.</param>
    /// <param name="callers">0 samples addresses only; else also the time and so many callers.</param>
    /// <returns>Its file, negative where the system refuses.</returns>
    public int Open(Event counted, int leader, bool withKernel, int callers)
    {
        const ulong SampleAddress = 1 << 3;
        const ulong SampleInDetail = SampleAddress | (1 << 2) | (1 << 5); // time and call chain
        const ulong Disabled = 1;
        const ulong ExcludeKernel = 1 << 5;
        const ulong ExcludeHypervisor = 1 << 6;
        const ulong ExcludeKernelCallers = 1 << 21;
        const ulong UseClock = 1 << 25;
        const int MonotonicClock = 1; // that of Stopwatch
        const nint CloseOnExec = 8;

        bool inDetail = callers != 0;
        byte* attribute = stackalloc byte[AttributeBytes];
        new Span<byte>(attribute, AttributeBytes).Clear();
        *(uint*)attribute = 1; // type: software
        *(uint*)(attribute + 4) = AttributeBytes;
        *(ulong*)(attribute + 8) = (ulong)counted;
        *(ulong*)(attribute + 16) = 1; // sample_period: every one
        *(ulong*)(attribute + 24) = inDetail ? SampleInDetail : SampleAddress;
        *(ulong*)(attribute + 40) = ExcludeHypervisor
            | (leader < 0 ? Disabled : 0)
            | (withKernel ? 0 : ExcludeKernel)
            | (inDetail ? ExcludeKernelCallers | UseClock : 0);
        *(int*)(attribute + 92) = inDetail ? MonotonicClock : 0;
        *(ushort*)(attribute + 108) = (ushort)callers; // sample_max_stack
        return (int)_syscall(_openNumber, (nint)attribute, 0, -1, leader, CloseOnExec);
    }

    private static nint Optional(INativeContext context, string name) => context.TryGetProcAddress(name, out nint address) ? address : 0;
}
