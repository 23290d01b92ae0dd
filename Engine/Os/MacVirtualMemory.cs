using System.Runtime.InteropServices;
using Silk.NET.Core.Contexts;

namespace SuperSlab;

/// <summary>
/// macOS. As POSIX, and: children do not inherit (minherit), what is decommitted leaves the memory footprint at once
/// (MADV_FREE_REUSABLE), mincore tells which pages are there, Mach counts the faults. Superpages of 2 MiB on Intel
/// processors; Apple silicon has none, and pages of 16 KiB.
/// </summary>
internal sealed unsafe class MacVirtualMemory : PosixVirtualMemory
{
    private const int AdviseFreeReusable = 7;
    private const int InheritNone = 2;
    private const int Superpage2MiB = 2 << 16; // VM_FLAGS_SUPERPAGE_SIZE_2MB, which mmap takes in place of a file
    private const nuint SuperpageBytes = 2 << 20;
    private const int PagesAtOnce = 2048;

    private readonly delegate* unmanaged<nint, nuint, int, int> _minherit;
    private readonly delegate* unmanaged<nint, nuint, byte*, int> _mincore;
    private readonly MacFunctions _mach;

    public MacVirtualMemory(INativeContext context)
        : base(context, PosixConstants.Mac)
    {
        _minherit = (delegate* unmanaged<nint, nuint, int, int>)Optional(context, "minherit");
        _mincore = (delegate* unmanaged<nint, nuint, byte*, int>)Optional(context, "mincore");
        _mach = new MacFunctions(context);
        FaultCounter = _mach.IsPresent ? new MacFaultCounter(_mach) : FaultCounter;
        Facts = Facts with
        {
            HugePageBytes = RuntimeInformation.ProcessArchitecture == Architecture.X64 ? SuperpageBytes : 0,
            TellsWhichPagesWouldFault = _mincore != null && TellsTheTruth(),
        };
    }

    public override nuint ResidentBytes
    {
        get
        {
            _mach.ReadResident(out nuint resident, out _);
            return resident;
        }
    }

    public override nuint PeakResidentBytes
    {
        get
        {
            _mach.ReadResident(out _, out nuint peak);
            return peak;
        }
    }

    public override string NameOf(PageKind pages) => pages == PageKind.ExplicitHuge ? "superpages" : base.NameOf(pages);

    protected override bool TryFinishReservation(nint address, nuint bytes)
    {
        if (_minherit != null)
        {
            CountOsCall();
            _ = _minherit(address, bytes, InheritNone); // only a saving: a child that has it makes the parent copy
        }

        return true;
    }

    protected override bool TryPrepareCore(nint address, nuint bytes, PrefaultStep step, out PrefaultFailure failure)
    {
        if (step.Pages != PageKind.ExplicitHuge)
            return base.TryPrepareCore(address, bytes, step, out failure);

        if (Facts.HugePageBytes == 0)
        {
            failure = new PrefaultFailure("this processor has none", IsLasting: true);
            return false;
        }

        if (TryMap(address, bytes, PosixConstants.ProtectReadWrite, PosixConstants.MapFixed, out _, out int errno, Superpage2MiB))
        {
            failure = default;
            return TryFinishReservation(address, bytes);
        }

        _ = TryDecommit(address, bytes, out _);
        failure = new PrefaultFailure(Errno.Describe("mmap(VM_FLAGS_SUPERPAGE_SIZE_2MB)", errno), IsLasting: errno == Errno.Invalid);
        return false;
    }

    protected override bool TryDecommitCore(nint address, nuint bytes, out string reason)
    {
        // The new mapping drops the pages; the advice first takes them off the process's account even where the kernel is
        // slow to do so. What it answers does not matter: the range may not be committed.
        _ = Advise(address, bytes, AdviseFreeReusable);
        return TryReplaceByReserved(address, bytes, out reason);
    }

    protected override long PagesThatWouldFaultCore(nint address, nuint bytes)
    {
        byte* states = stackalloc byte[PagesAtOnce];
        long faulting = 0;
        for (nuint done = 0; done < bytes;)
        {
            nuint part = nuint.Min(PagesAtOnce * Facts.PageBytes, bytes - done);
            if (_mincore((nint)((nuint)address + done), part, states) != 0)
                return -1;

            for (nuint i = 0; i < part / Facts.PageBytes; i++)
                faulting += (states[i] & 1) == 0 ? 1 : 0;

            done += part;
        }

        return faulting;
    }
}

/// <summary>
/// task_info of the Mach kernel (mach/task_info.h): resident memory, and the faults of the process. Absent functions make
/// every answer 0.
/// </summary>
internal sealed unsafe class MacFunctions
{
    private const int EventsFlavor = 2; // TASK_EVENTS_INFO: eight 32-bit counts, the first is faults
    private const int EventsCount = 8;
    private const int BasicFlavor = 20; // MACH_TASK_BASIC_INFO: virtual, resident, highest resident size as 64-bit, and more
    private const int BasicCount = 12;

    private readonly delegate* unmanaged<uint, int, int*, uint*, int> _taskInfo;
    private readonly uint _thisTask;

    public MacFunctions(INativeContext context)
    {
        if (context.TryGetProcAddress("task_info", out nint taskInfo) && context.TryGetProcAddress("mach_task_self_", out nint thisTask))
        {
            _taskInfo = (delegate* unmanaged<uint, int, int*, uint*, int>)taskInfo;
            _thisTask = *(uint*)thisTask;
        }
    }

    public bool IsPresent => _taskInfo != null;

    public long Faults()
    {
        int* events = stackalloc int[EventsCount];
        uint count = EventsCount;
        return IsPresent && _taskInfo(_thisTask, EventsFlavor, events, &count) == 0 ? (uint)events[0] : 0;
    }

    public void ReadResident(out nuint resident, out nuint peak)
    {
        ulong* basic = stackalloc ulong[BasicCount / 2];
        uint count = BasicCount;
        bool isRead = IsPresent && _taskInfo(_thisTask, BasicFlavor, (int*)basic, &count) == 0;
        resident = isRead ? (nuint)basic[1] : 0;
        peak = isRead ? (nuint)basic[2] : 0;
    }
}

/// <summary>The faults that Mach counts for the whole process; it tells no thread's.</summary>
internal sealed class MacFaultCounter(MacFunctions mach) : IFaultCounter
{
    public bool IsSupported => mach.IsPresent;

    public bool IsPerThread => false;

    public long OfThread() => mach.Faults();

    public long OfProcess() => mach.Faults();
}
