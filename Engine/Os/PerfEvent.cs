using System.Diagnostics;
using System.Globalization;
using System.Numerics;
using System.Runtime.InteropServices;
using Silk.NET.Core.Contexts;

namespace SuperSlab;

/// <summary>
/// The page faults of one thread as a perf event with its ring: see perf_event_open(2). The mapping is one control page
/// and then the ring:
///
///   control page: data_head at byte 1024 (the kernel writes), data_tail at byte 1032 (we write)
///   ring:         records of { u32 type, u16 misc, u16 size, ... }
///   a sample:     { header, u64 address }, with places { header, u64 instruction, u64 address },
///                 or in detail { header, u64 time, u64 address, u64 n, u64 callers[n] }
///   a switch:     { header }, with places only: the thread left its processor or came back
///
/// In detail it is two events with one ring, minor faults and major faults, because the one event "page-faults" also
/// counts faults that end in a signal or start over. Their sum is what getrusage counts, less the pages that the kernel
/// faulted in on request.
/// </summary>
internal sealed unsafe class PerfEvent : IDisposable
{
    private const int SampleBytes = 16;
    private const int PlacedSampleBytes = 24;
    private const int HeadOffset = 1024;
    private const int TailOffset = 1032;
    private const uint LostRecord = 2;
    private const uint SampleRecord = 9;
    private const uint SwitchRecord = 14;
    private const nuint IoctlEnable = 0x2400;
    private const nuint IoctlDisable = 0x2401;
    private const nuint IoctlReset = 0x2403;
    private const nuint IoctlSetOutput = 0x2405;
    private const int None = -1;

    /// <summary>What the rings of this process take, their control pages included.</summary>
    private static long s_mappedBytes;

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
        Debug.Assert(BitOperations.IsPow2(_ringBytes), "Positions in the ring are masked.");

        // Neither the ring nor the control page may fault in the window that is observed.
        for (nuint offset = 0; offset < mappedBytes; offset += PageBytes)
            _ = Volatile.Read(ref _control[offset]);

        Volatile.Write(ref *(ulong*)(_control + TailOffset), 0);
        Interlocked.Add(ref s_mappedBytes, (long)mappedBytes);
    }

    /// <summary>What a user may lock for rings is little: a forgotten one goes back with its object.</summary>
    ~PerfEvent() => Close();

    /// <summary>How many records the kernel dropped because the ring was full.</summary>
    public long LostCount { get; private set; }

    /// <summary>The faults with places that the ring holds.</summary>
    public int Capacity => (int)_ringBytes / PlacedSampleBytes;

    /// <summary>The records of any kind that were taken.</summary>
    public long RecordCount { get; private set; }

    /// <summary>How often the thread gave its processor away to wait, with places; up to the last record taken.</summary>
    public long WaitCount { get; private set; }

    /// <summary>Whether it records faults that the kernel takes at the program's addresses, in a system call.</summary>
    public bool SeesKernel { get; private init; }

    private static nuint PageBytes => (nuint)Environment.SystemPageSize;

    /// <summary>A disabled event with addresses for the calling thread; null, with the reason, on a refusal.</summary>
    public static PerfEvent? TryOpen(int capacity, out string reason)
    {
        if (PerfFunctions.Find(new SystemLibraries(), out reason) is not { } os)
            return null;

        int file = os.Open(PerfFunctions.Event.PageFaults, None, withKernel: false, PerfFunctions.Detail.Address);
        nuint ringBytes = nuint.Max(PageBytes, (nuint)BitOperations.RoundUpToPowerOf2((uint)capacity) * SampleBytes);
        return WithRing(os, [file], ringBytes, withKernel: false, out reason);
    }

    /// <summary>
    /// An enabled event for the calling thread, with addresses, the instructions that faulted, and waits; null, with
    /// the reason, on a refusal.
    /// </summary>
    /// <param name="context">Where the functions are found.</param>
    /// <param name="capacity">The faults, or three times as many switches, that fit between two drains.</param>
    /// <param name="reason">Why it is null.</param>
    public static PerfEvent? TryOpenWithPlaces(INativeContext context, int capacity, out string reason)
    {
        if (PerfFunctions.Find(context, out reason) is not { } os)
            return null;

        int file = os.Open(PerfFunctions.Event.PageFaults, None, withKernel: false, PerfFunctions.Detail.Place);
        uint ringBytes = BitOperations.RoundUpToPowerOf2((uint)(capacity * PlacedSampleBytes));
        PerfEvent? opened = WithRing(os, [file], ringBytes, withKernel: false, out reason);
        opened?.Enable();
        return opened;
    }

    /// <summary>
    /// The calling thread's minor and major faults in detail, with those that the kernel takes for it where that is
    /// permitted. Disabled; null, with the reason, where it is refused.
    /// </summary>
    /// <param name="context">Where the functions are found.</param>
    /// <param name="ringBytes">
    /// A power of two. Where the system limits what a user's rings take in all, a share of that: see
    /// <see cref="RingLimit"/>. Halved down to a page where it refuses.
    /// </param>
    /// <param name="callers">The most callers that a sample has.</param>
    /// <param name="reason">Why it is null.</param>
    public static PerfEvent? TryOpenInDetail(INativeContext context, nuint ringBytes, int callers, out string reason)
    {
        if (PerfFunctions.Find(context, out reason) is not { } os)
            return null;

        ringBytes = RingLimit.Of(os.Files).Share(ringBytes, (nuint)Volatile.Read(ref s_mappedBytes));
        bool withKernel = true;
        int minor = os.Open(PerfFunctions.Event.MinorFaults, None, withKernel, PerfFunctions.Detail.Callers, callers);
        if (minor < 0)
        {
            withKernel = false;
            minor = os.Open(PerfFunctions.Event.MinorFaults, None, withKernel, PerfFunctions.Detail.Callers, callers);
        }

        int major = minor < 0
            ? None
            : os.Open(PerfFunctions.Event.MajorFaults, minor, withKernel, PerfFunctions.Detail.Callers, callers);
        return WithRing(os, [minor, major], ringBytes, withKernel, out reason);
    }

    public void Enable() => _ = _os.Files.Control(_file, IoctlEnable, 0);

    public void Disable() => _ = _os.Files.Control(_file, IoctlDisable, 0);

    public void Reset()
    {
        const nint WholeGroup = 1;
        _ = _os.Files.Control(_file, IoctlReset, WholeGroup);
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

    /// <summary>The oldest fault recorded with its place; false when there is none.</summary>
    public bool TryTake(out nuint address, out nuint instruction)
    {
        bool found = TryFindSample(out ulong record);
        instruction = found ? (nuint)At(record + 8) : 0;
        address = found ? (nuint)At(record + 16) : 0;
        Release(record, found);
        return found;
    }

    /// <summary>The oldest fault recorded in detail; false when there is none. Any thread, one at a time.</summary>
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
        GC.SuppressFinalize(this);
        Close();
    }

    private void Close()
    {
        Interlocked.Add(ref s_mappedBytes, -(long)_mappedBytes);
        _os.Unmap((nint)_control, _mappedBytes);
        _os.CloseIfOpen(_second);
        _os.Files.Close(_file);
    }

    /// <summary>
    /// Gives one or two events the largest ring that the system grants, of a page at least. Null, with the reason,
    /// where it refused an event or every ring; the events are then closed.
    /// </summary>
    private static PerfEvent? WithRing(
        PerfFunctions os, ReadOnlySpan<int> files, nuint ringBytes, bool withKernel, out string reason)
    {
        string refused = Errno.Describe("perf_event_open", Marshal.GetLastSystemError());
        reason = refused + "; see /proc/sys/kernel/perf_event_paranoid";
        PerfEvent? opened = null;
        for (nuint bytes = ringBytes; files[^1] >= 0 && opened is null && bytes >= PageBytes; bytes /= 2)
            opened = TryMap(os, files[0], files.Length == 1 ? None : files[1], bytes, withKernel, ref reason);

        foreach (int file in opened is null ? files : [])
            os.CloseIfOpen(file);

        return opened;
    }

    private static PerfEvent? TryMap(
        PerfFunctions os, int file, int second, nuint ringBytes, bool withKernel, ref string reason)
    {
        nuint bytes = PageBytes + ringBytes;
        nint mapped = os.Map(bytes, file);
        if (mapped == -1)
        {
            string refused = Errno.Describe("mmap of the ring", Marshal.GetLastSystemError());
            reason = refused + "; see /proc/sys/kernel/perf_event_mlock_kb and RLIMIT_MEMLOCK";
            return null;
        }

        if (second != None && os.Files.Control(second, IoctlSetOutput, file) != 0)
        {
            reason = Errno.Describe("PERF_EVENT_IOC_SET_OUTPUT", Marshal.GetLastSystemError());
            os.Unmap(mapped, bytes);
            return null;
        }

        reason = "available";
        return new PerfEvent(os, file, second, mapped, bytes) { SeesKernel = withKernel };
    }

    private long ReadCount(int file)
    {
        long count = 0;
        return _os.Files.Read(file, &count, sizeof(long)) == sizeof(long) ? count : 0;
    }

    /// <summary>Finds the oldest sample, or else the end of the records.</summary>
    private bool TryFindSample(out ulong record)
    {
        ulong head = Volatile.Read(ref *(ulong*)(_control + HeadOffset));
        record = *(ulong*)(_control + TailOffset);
        while (record < head && (uint)At(record) != SampleRecord)
        {
            RecordCount++;
            LostCount += (uint)At(record) == LostRecord ? (long)At(record + 16) : 0; // { header, id, lost }
            WaitCount += IsWait(At(record)) ? 1 : 0;
            record += SizeAt(record);
        }

        RecordCount += record < head ? 1 : 0;
        return record < head;
    }

    /// <summary>Whether a header says that the thread left its processor and could not go on.</summary>
    private static bool IsWait(ulong header)
    {
        const ulong SwitchOut = 1UL << (32 + 13);
        const ulong Preempted = 1UL << (32 + 14);
        return (uint)header == SwitchRecord && (header & (SwitchOut | Preempted)) == SwitchOut;
    }

    /// <summary>Gives the ring back to the kernel up to a record, and with the record where it was read.</summary>
    private void Release(ulong record, bool isRead) =>
        Volatile.Write(ref *(ulong*)(_control + TailOffset), isRead ? record + SizeAt(record) : record);

    private ulong SizeAt(ulong record) => At(record) >> 48;

    /// <summary>Records are multiples of 8 bytes, so no 64-bit word wraps around.</summary>
    private ulong At(ulong position) => *(ulong*)(_ring + ((nuint)position & (_ringBytes - 1)));
}

/// <summary>
/// What one user's rings may take together: perf_event_mlock_kb for each processor. Beyond it count RLIMIT_MEMLOCK, and
/// the capability CAP_IPC_LOCK, or a perf_event_paranoid of -1, lifts it (perf_event_open(2), perf_mmap in the kernel).
/// </summary>
/// <param name="Bytes">The limit; <see cref="nuint.MaxValue"/> for none.</param>
internal readonly record struct RingLimit(nuint Bytes)
{
    private const nuint LeastShare = 16 * 1024;

    /// <summary>Reads the limit of this process. What cannot be read is taken for a limit that is not there.</summary>
    public static RingLimit Of(LinuxFiles files)
    {
        ulong kibibytes = Number(files, "/proc/sys/kernel/perf_event_mlock_kb");
        string? paranoid = files.ReadText("/proc/sys/kernel/perf_event_paranoid");
        bool isFree = kibibytes == 0 || paranoid is null or "-1"
            || LinuxThread.MayLockMemory(files);
        return new RingLimit(isFree ? nuint.MaxValue : (nuint)kibibytes * 1024 * (nuint)Environment.ProcessorCount);
    }

    /// <summary>A ring that leaves room for others: half of what the limit still grants.</summary>
    /// <param name="ringBytes">What was asked for, a power of two.</param>
    /// <param name="taken">What the rings that are there take, in bytes.</param>
    public nuint Share(nuint ringBytes, nuint taken)
    {
        if (Bytes == nuint.MaxValue)
            return ringBytes;

        nuint share = nuint.Max(LeastShare, (Bytes - nuint.Min(taken, Bytes)) / 2);
        return nuint.Min(ringBytes, (nuint)1 << BitOperations.Log2(share));
    }

    private static ulong Number(LinuxFiles files, string path) =>
        ulong.TryParse(files.ReadText(path), CultureInfo.InvariantCulture, out ulong number) ? number : 0;
}

/// <summary>The functions that a <see cref="PerfEvent"/> needs.</summary>
internal sealed unsafe class PerfFunctions(INativeContext context)
{
    private const int AttributeBytes = 112; // PERF_ATTR_SIZE_VER5

    private readonly LinuxSystemCall _open = new(context, LinuxCall.PerfEventOpen);
    private readonly delegate* unmanaged<nint, nuint, int, int, int, nint, nint> _mmap =
        (delegate* unmanaged<nint, nuint, int, int, int, nint, nint>)context.Find("mmap");
    private readonly delegate* unmanaged<nint, nuint, int> _munmap =
        (delegate* unmanaged<nint, nuint, int>)context.Find("munmap");

    /// <summary>What is counted: the numbers of perf_event_open's software events.</summary>
    public enum Event : ulong
    {
        PageFaults = 2,
        MinorFaults = 5,
        MajorFaults = 6,
    }

    /// <summary>What a sample says.</summary>
    public enum Detail
    {
        /// <summary>The address.</summary>
        Address,

        /// <summary>The instruction and the address; switches of the thread are recorded, too.</summary>
        Place,

        /// <summary>The time, the address and callers.</summary>
        Callers,
    }

    public LinuxFiles Files { get; } = new(context);

    /// <summary>The functions, or null with the reason.</summary>
    public static PerfFunctions? Find(INativeContext context, out string reason)
    {
        PerfFunctions functions = new(context);
        bool isComplete = functions._mmap != null && functions._munmap != null && functions.Files.CanControl;
        reason = isComplete ? "available" : "the C library lacks mmap, ioctl or read";
        if (!functions._open.IsAvailable)
            reason = "recording faults needs perf_event_open, which is not available on this system";

        return functions._open.IsAvailable && isComplete ? functions : null;
    }

    /// <summary>Opens an event of the calling thread. A leader begins disabled and switches its events.</summary>
    /// <param name="counted">What it counts.</param>
    /// <param name="leader">The event that leads it, or -1.</param>
    /// <param name="withKernel">Whether it counts faults that the kernel takes in system calls.</param>
    /// <param name="detail">What a sample says.</param>
    /// <param name="callers">The most callers that it has.</param>
    /// <returns>Its file, negative where the system refuses.</returns>
    public int Open(Event counted, int leader, bool withKernel, Detail detail, int callers = 0)
    {
        const ulong SampleAddress = 1 << 3;
        const ulong SampleInstruction = 1 << 0;
        const ulong SampleTimeAndCallers = (1 << 2) | (1 << 5);
        const ulong Disabled = 1;
        const ulong ExcludeKernel = 1 << 5;
        const ulong ExcludeHypervisor = 1 << 6;
        const ulong ExcludeKernelCallers = 1 << 21;
        const ulong UseClock = 1 << 25;
        const ulong RecordSwitches = 1 << 26;
        const int MonotonicClock = 1; // that of Stopwatch
        const nint CloseOnExec = 8;

        bool inDetail = detail == Detail.Callers;
        byte* attribute = stackalloc byte[AttributeBytes];
        new Span<byte>(attribute, AttributeBytes).Clear();
        *(uint*)attribute = 1; // type: software
        *(uint*)(attribute + 4) = AttributeBytes;
        *(ulong*)(attribute + 8) = (ulong)counted;
        *(ulong*)(attribute + 16) = 1; // sample_period: every one
        *(ulong*)(attribute + 24) = SampleAddress
            | (inDetail ? SampleTimeAndCallers : 0)
            | (detail == Detail.Place ? SampleInstruction : 0);
        *(ulong*)(attribute + 40) = ExcludeHypervisor
            | (leader < 0 ? Disabled : 0)
            | (withKernel ? 0 : ExcludeKernel)
            | (inDetail ? ExcludeKernelCallers | UseClock : 0)
            | (detail == Detail.Place ? RecordSwitches : 0);
        *(int*)(attribute + 92) = inDetail ? MonotonicClock : 0;
        *(ushort*)(attribute + 108) = (ushort)callers; // sample_max_stack
        return (int)_open.Invoke((nint)attribute, 0, -1, leader, CloseOnExec);
    }

    /// <summary>Maps an event's ring; -1 on failure.</summary>
    public nint Map(nuint bytes, int file)
    {
        const int Shared = 1;
        return _mmap(0, bytes, PosixConstants.ProtectReadWrite, Shared, file, 0);
    }

    public void Unmap(nint address, nuint bytes) => _ = _munmap(address, bytes);

    public void CloseIfOpen(int file)
    {
        if (file >= 0)
            Files.Close(file);
    }
}
