using System.Diagnostics;
using Silk.NET.Core.Contexts;

namespace SuperSlab;

/// <summary>
/// What every POSIX system can do: mmap without access to reserve, mprotect to commit, mmap over the range to decommit.
/// Linux and macOS do more, in their own files.
/// </summary>
internal unsafe class PosixVirtualMemory : VirtualMemory
{
    private readonly delegate* unmanaged<nint, nuint, int, int, int, nint, nint> _mmap;
    private readonly delegate* unmanaged<nint, nuint, int> _munmap;
    private readonly delegate* unmanaged<nint, nuint, int, int> _mprotect;
    private readonly delegate* unmanaged<nint, nuint, int, int> _madvise;
    private readonly delegate* unmanaged<nint, nuint, int> _mlock;
    private readonly delegate* unmanaged<nint, nuint, int> _munlock;
    private readonly delegate* unmanaged<int, ulong*, int> _getrlimit;

    public PosixVirtualMemory(INativeContext context, PosixConstants constants)
    {
        Constants = constants;
        _mmap = (delegate* unmanaged<nint, nuint, int, int, int, nint, nint>)context.Require("mmap");
        _munmap = (delegate* unmanaged<nint, nuint, int>)context.Require("munmap");
        _mprotect = (delegate* unmanaged<nint, nuint, int, int>)context.Require("mprotect");
        _madvise = (delegate* unmanaged<nint, nuint, int, int>)context.Find("madvise");
        _mlock = (delegate* unmanaged<nint, nuint, int>)context.Find("mlock");
        _munlock = (delegate* unmanaged<nint, nuint, int>)context.Find("munlock");
        _getrlimit = (delegate* unmanaged<int, ulong*, int>)context.Find("getrlimit");
        var getpagesize = (delegate* unmanaged<int>)context.Require("getpagesize");
        nuint pageBytes = (nuint)getpagesize();
        FaultCounter = new PosixFaultCounter(context, constants.FaultsOfThread);
        Facts = new PlatformFacts
        {
            System = constants.System,
            PageBytes = pageBytes,
            AllocationGranularityBytes = pageBytes,
        };
    }

    public override nuint ResidentBytes => 0;

    public override nuint PeakResidentBytes => 0;

    protected PosixConstants Constants { get; }

    protected override bool TryReserveCore(nuint bytes, nuint alignment, out nint address)
    {
        // Over-map by the alignment, then cut head and tail off. Nothing is populated, so the surplus costs nothing.
        address = 0;
        const int Protection = PosixConstants.ProtectNone;
        if (TryMap(0, bytes + alignment, Protection, Constants.MapNoReserve, out nint mapped) != Errno.None)
            return false;

        nuint aligned = Sizes.AlignUp((nuint)mapped, alignment);
        nuint head = aligned - (nuint)mapped;
        nuint tail = alignment - head;

        // A cut fails when the system's count of mappings is exhausted; a release of what is left needs none. Another
        // thread may own what was cut off already.
        if (head != 0 && Unmap(mapped, head) != Errno.None)
            return ReleaseAndFail(mapped, bytes + alignment);

        if (tail != 0 && Unmap((nint)(aligned + bytes), tail) != Errno.None)
            return ReleaseAndFail((nint)aligned, bytes + tail);

        FinishReservation((nint)aligned, bytes);
        address = (nint)aligned;
        return true;
    }

    /// <summary>Gives hints about a fresh reservation, or a part that was mapped again. A refusal decides nothing.</summary>
    protected virtual void FinishReservation(nint address, nuint bytes)
    {
    }

    protected override string? CommitCore(nint address, nuint bytes) =>
        Errno.Refusal("mprotect", MakeAccessible(address, bytes));

    protected override PrefaultFailure? PrepareCore(nint address, nuint bytes, PrefaultStep step) =>
        step.Pages == PageKind.Normal
            ? Errno.Failure("mprotect", MakeAccessible(address, bytes), isLasting: false)
            : new PrefaultFailure("not known on this system", IsLasting: true);

    protected override PrefaultFailure? PopulateCore(nint address, nuint bytes, PrefaultStep step)
    {
        if (step.Policy != PrefaultPolicy.Lock)
            return new PrefaultFailure("not known on this system", IsLasting: true);

        int errno = Call(_mlock, address, bytes);
        return errno == Errno.None ? null : new PrefaultFailure(DescribeLock(errno), IsLasting: false);
    }

    protected override string? DecommitCore(nint address, nuint bytes)
    {
        int errno = MapOver(address, bytes, PosixConstants.ProtectNone);
        if (errno == Errno.None)
            FinishReservation(address, bytes);

        return Errno.Refusal("mmap", errno);
    }

    protected override string? DiscardCore(nint address, nuint bytes)
    {
        // In one call: a reader meanwhile finds the old contents or the new.
        int errno = MapOver(address, bytes, PosixConstants.ProtectReadWrite);
        if (errno == Errno.None)
            FinishReservation(address, bytes);

        return Errno.Refusal("mmap", errno);
    }

    protected override string? ReleaseCore(nint address, nuint bytes) => Errno.Refusal("munmap", Unmap(address, bytes));

    /// <summary>Maps fresh memory over the range. On an error the range is ours in an unknown state, or lost.</summary>
    protected int MapOver(nint address, nuint bytes, int protection, int extraFlags = 0)
    {
        int flags = PosixConstants.MapFixed | Constants.MapNoReserve | extraFlags;
        int errno = TryMap(address, bytes, protection, flags, out nint mapped);
        Debug.Assert(errno != Errno.None || mapped == address, "MAP_FIXED maps at the address.");
        if (errno != Errno.None)
            FillHole(address, bytes);

        return errno;
    }

    /// <summary>
    /// Maps the addresses again that a failed call over a range may have unmapped, before anyone else gets them.
    /// Afterwards the range is ours or is known as lost. Where nothing was unmapped, it does nothing.
    /// </summary>
    protected void FillHole(nint address, nuint bytes)
    {
        const int Attempts = 3; // what the first one lacks may be there a moment later
        for (int attempt = 0; attempt < Attempts; attempt++)
        {
            if (TryMapUnused(address, bytes))
            {
                FinishReservation(address, bytes);
                return;
            }

            if (IsStillOurs(address, bytes))
                return;
        }

        Lose(address, bytes);
    }

    /// <summary>Reserves the range where none of it is mapped.</summary>
    protected bool TryMapUnused(nint address, nuint bytes)
    {
        int flags = Constants.MapFixedNoReplace | Constants.MapNoReserve;
        if (TryMap(address, bytes, PosixConstants.ProtectNone, flags, out nint mapped) != Errno.None)
            return false;

        if (mapped != address)
            _ = Unmap(mapped, bytes); // a kernel without MAP_FIXED_NOREPLACE took the address for a hint

        return mapped == address;
    }

    /// <summary>Whether nothing of a range was unmapped, as far as the system tells.</summary>
    protected virtual bool IsStillOurs(nint address, nuint bytes) => true;

    protected int TryMap(nint address, nuint bytes, int protection, int extraFlags, out nint mapped, int file = -1)
    {
        int flags = PosixConstants.MapPrivate | Constants.MapAnonymous | extraFlags;
        mapped = _mmap(address, bytes, protection, flags, file, 0);
        return Counted(mapped != -1);
    }

    protected int Unmap(nint address, nuint bytes) => Call(_munmap, address, bytes);

    protected int Protect(nint address, nuint bytes, int protection) => Call(_mprotect, address, bytes, protection);

    protected int Advise(nint address, nuint bytes, int advice) => Call(_madvise, address, bytes, advice);

    protected int Unlock(nint address, nuint bytes) => Call(_munlock, address, bytes);

    /// <summary>The soft limit with the given number; no limit when it cannot be read.</summary>
    protected nuint ReadLimit(int resource)
    {
        ulong* limit = stackalloc ulong[2];
        bool isRead = _getrlimit != null && _getrlimit(resource, limit) == 0;
        return isRead && limit[0] < long.MaxValue ? (nuint)limit[0] : nuint.MaxValue;
    }

    protected virtual string DescribeLock(int errno) => Errno.Describe("mlock", errno);

    private int MakeAccessible(nint address, nuint bytes)
    {
        int errno = Protect(address, bytes, PosixConstants.ProtectReadWrite);
        if (errno != Errno.None)
            _ = Protect(address, bytes, PosixConstants.ProtectNone); // it may have got half-way

        return errno;
    }

    /// <exception cref="EngineMemoryException">The system refused.</exception>
    private bool ReleaseAndFail(nint address, nuint bytes)
    {
        if (ReleaseCore(address, bytes) is { } reason)
            ThrowRefused("Release", bytes, reason);

        return false;
    }

    private int Call(delegate* unmanaged<nint, nuint, int> function, nint address, nuint bytes) =>
        function == null ? Errno.Invalid : Counted(function(address, bytes) == 0);

    private int Call(delegate* unmanaged<nint, nuint, int, int> function, nint address, nuint bytes, int argument) =>
        function == null ? Errno.Invalid : Counted(function(address, bytes, argument) == 0);
}

/// <summary>The numbers in which POSIX systems differ, from their header files.</summary>
internal sealed record PosixConstants
{
    public const int ProtectNone = 0;
    public const int ProtectReadWrite = 3;
    public const int MapPrivate = 0x02;
    public const int MapFixed = 0x10;

    public required SystemKinds System { get; init; }

    public required int MapAnonymous { get; init; }

    /// <summary>0 where every reservation is free of charge, or where it is not known.</summary>
    public int MapNoReserve { get; init; }

    /// <summary>MAP_FIXED_NOREPLACE (Linux 4.17); 0 where the address can only be a hint.</summary>
    public int MapFixedNoReplace { get; init; }

    /// <summary>RUSAGE_THREAD; RUSAGE_SELF (0) where the system does not count threads.</summary>
    public int FaultsOfThread { get; init; }

    /// <summary>EAGAIN.</summary>
    public required int ErrorTryAgain { get; init; }

    /// <summary>From asm-generic/mman-common.h and asm-generic/mman.h (x86-64, arm64, riscv64).</summary>
    public static PosixConstants Linux { get; } = new()
    {
        System = SystemKinds.Linux,
        MapAnonymous = 0x20,
        MapNoReserve = 0x4000,
        MapFixedNoReplace = 0x100000,
        ErrorTryAgain = 11,
        FaultsOfThread = 1,
    };

    /// <summary>From sys/mman.h of xnu.</summary>
    public static PosixConstants Mac { get; } =
        new() { System = SystemKinds.Mac, MapAnonymous = 0x1000, MapNoReserve = 0x40, ErrorTryAgain = 35 };

    /// <summary>From sys/mman.h of the BSDs; without MAP_NORESERVE, which newer ones lack.</summary>
    public static PosixConstants Bsd { get; } =
        new() { System = SystemKinds.OtherPosix, MapAnonymous = 0x1000, ErrorTryAgain = 35, FaultsOfThread = 1 };
}
