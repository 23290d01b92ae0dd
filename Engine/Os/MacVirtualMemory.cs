using System.Runtime.InteropServices;
using Silk.NET.Core.Contexts;

namespace SuperSlab;

/// <summary>
/// macOS: POSIX with memory that children do not inherit (minherit), a decommit that lowers the memory footprint at
/// once (MADV_FREE_REUSABLE), mincore to see which pages are there, and Mach to count faults. Intel processors have
/// superpages of 2 MiB; Apple silicon has none, and pages of 16 KiB.
/// </summary>
internal sealed unsafe class MacVirtualMemory : PosixVirtualMemory
{
    private const int AdviseFreeReusable = 7;
    private const int InheritNone = 2;
    private const int Superpage2MiB = 2 << 16; // VM_FLAGS_SUPERPAGE_SIZE_2MB, which mmap takes in place of a file
    private const nuint SuperpageBytes = 2 << 20;

    private readonly delegate* unmanaged<nint, nuint, int, int> _minherit;
    private readonly delegate* unmanaged<nint, nuint, byte*, int> _mincore;
    private readonly MacFunctions _mach;

    public MacVirtualMemory(INativeContext context)
        : base(context, PosixConstants.Mac)
    {
        _minherit = (delegate* unmanaged<nint, nuint, int, int>)context.Find("minherit");
        _mincore = (delegate* unmanaged<nint, nuint, byte*, int>)context.Find("mincore");
        _mach = new MacFunctions(context);
        FaultCounter = _mach.IsPresent ? new MacFaultCounter(_mach) : FaultCounter;
        Facts = Facts with
        {
            HugePageBytes = RuntimeInformation.ProcessArchitecture == Architecture.X64 ? SuperpageBytes : 0,
            TellsWhichPagesWouldFault = _mincore != null && TellsTheTruth(),
        };
    }

    public override nuint ResidentBytes => _mach.ReadResident().Resident;

    public override nuint PeakResidentBytes => _mach.ReadResident().Peak;

    public override string NameOf(PageKind pages) => pages == PageKind.ExplicitHuge ? "superpages" : base.NameOf(pages);

    protected override void FinishReservation(nint address, nuint bytes)
    {
        if (_minherit != null)
            _ = Counted(_minherit(address, bytes, InheritNone) == 0); // a saving: a child that inherits makes us copy
    }

    protected override PrefaultFailure? PrepareCore(nint address, nuint bytes, PrefaultStep step)
    {
        if (step.Pages != PageKind.ExplicitHuge)
            return base.PrepareCore(address, bytes, step);

        if (Facts.HugePageBytes == 0)
            return new PrefaultFailure("this processor has none", IsLasting: true);

        const int ReadWrite = PosixConstants.ProtectReadWrite;
        int errno = TryMap(address, bytes, ReadWrite, PosixConstants.MapFixed, out _, Superpage2MiB);
        if (errno == Errno.None)
            FinishReservation(address, bytes);
        else
            _ = TryDecommit(address, bytes, out _);

        return Errno.Failure("mmap(VM_FLAGS_SUPERPAGE_SIZE_2MB)", errno, isLasting: errno == Errno.Invalid);
    }

    protected override string? DecommitCore(nint address, nuint bytes)
    {
        // The new mapping drops the pages; the advice takes them off the process's account even where the kernel is
        // slow to do so. Its result does not matter: the range may not be committed.
        _ = Advise(address, bytes, AdviseFreeReusable);
        return base.DecommitCore(address, bytes);
    }

    protected override int CountFaultingCore(nint address, int pages)
    {
        byte* states = stackalloc byte[pages];
        if (_mincore(address, (nuint)pages * Facts.PageBytes, states) != 0)
            return -1;

        int faulting = 0;
        for (int i = 0; i < pages; i++)
            faulting += (states[i] & 1) == 0 ? 1 : 0;

        return faulting;
    }
}

/// <summary>task_info of the Mach kernel (mach/task_info.h). Where the function is absent, every result is 0.</summary>
internal sealed unsafe class MacFunctions
{
    private const int EventsFlavor = 2; // TASK_EVENTS_INFO: eight 32-bit counts, the first is faults
    private const int EventsCount = 8;
    private const int BasicFlavor = 20; // MACH_TASK_BASIC_INFO: virtual, resident, highest resident size (64-bit), more
    private const int BasicCount = 12;

    private readonly delegate* unmanaged<uint, int, int*, uint*, int> _taskInfo;
    private readonly uint _thisTask;

    public MacFunctions(INativeContext context)
    {
        nint thisTask = context.Find("mach_task_self_");
        if (thisTask != 0)
        {
            _taskInfo = (delegate* unmanaged<uint, int, int*, uint*, int>)context.Find("task_info");
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

    public (nuint Resident, nuint Peak) ReadResident()
    {
        ulong* basic = stackalloc ulong[BasicCount / 2];
        uint count = BasicCount;
        bool isRead = IsPresent && _taskInfo(_thisTask, BasicFlavor, (int*)basic, &count) == 0;
        return isRead ? ((nuint)basic[1], (nuint)basic[2]) : default;
    }
}

/// <summary>The faults that Mach counts for the whole process; it counts none for a thread.</summary>
internal sealed class MacFaultCounter(MacFunctions mach) : FaultCounter
{
    public override bool IsSupported => mach.IsPresent;

    public override long OfProcess() => mach.Faults();
}
