using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;
using Silk.NET.Core.Contexts;

namespace SuperSlab;

/// <summary>
/// What every POSIX system can do: mmap without access to reserve, mprotect to commit, mmap anew over the range to
/// decommit, and a write to each page to prefault. Linux and macOS do more, in their own files.
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
        _mmap = (delegate* unmanaged<nint, nuint, int, int, int, nint, nint>)Required(context, "mmap");
        _munmap = (delegate* unmanaged<nint, nuint, int>)Required(context, "munmap");
        _mprotect = (delegate* unmanaged<nint, nuint, int, int>)Required(context, "mprotect");
        _madvise = (delegate* unmanaged<nint, nuint, int, int>)Optional(context, "madvise");
        _mlock = (delegate* unmanaged<nint, nuint, int>)Optional(context, "mlock");
        _munlock = (delegate* unmanaged<nint, nuint, int>)Optional(context, "munlock");
        _getrlimit = (delegate* unmanaged<int, ulong*, int>)Optional(context, "getrlimit");

        FaultCounter = new PosixFaultCounter(context, threadScope: constants.FaultsOfThread);
        var getpagesize = (delegate* unmanaged<int>)Required(context, "getpagesize");
        nuint pageBytes = (nuint)getpagesize();
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
        if (!TryMap(0, bytes + alignment, PosixConstants.ProtectNone, Constants.MapNoReserve, out nint mapped, out _))
            return false;

        nuint aligned = ((nuint)mapped + alignment - 1) & ~(alignment - 1);
        nuint head = aligned - (nuint)mapped;
        nuint tail = alignment - head;
        // Cutting can fail when the system's count of mappings is exhausted; giving back what is left needs none. What was cut
        // off already may belong to another thread by now.
        if (head != 0 && Unmap(mapped, head) != Errno.None)
        {
            ReleaseOrThrow(mapped, bytes + alignment);
            return false;
        }

        if (tail != 0 && Unmap((nint)(aligned + bytes), tail) != Errno.None)
        {
            ReleaseOrThrow((nint)aligned, bytes + tail);
            return false;
        }

        if (!TryFinishReservation((nint)aligned, bytes))
        {
            ReleaseOrThrow((nint)aligned, bytes);
            return false;
        }

        address = (nint)aligned;
        return true;
    }

    /// <summary>What a system does to a fresh reservation, or to a part of it that was mapped anew.</summary>
    protected virtual bool TryFinishReservation(nint address, nuint bytes) => true;

    protected override void CommitCore(nint address, nuint bytes)
    {
        int errno = Protect(address, bytes, PosixConstants.ProtectReadWrite);
        if (errno != Errno.None)
        {
            _ = Protect(address, bytes, PosixConstants.ProtectNone); // it may have got half-way
            ThrowCannotCommit(bytes, errno);
        }
    }

    protected override bool TryPrepareCore(nint address, nuint bytes, PrefaultStep step, out PrefaultFailure failure)
    {
        if (step.Pages != PageKind.Normal)
        {
            failure = new PrefaultFailure("not known on this system", IsLasting: true);
            return false;
        }

        return TryPrepareNormal(address, bytes, out failure);
    }

    protected bool TryPrepareNormal(nint address, nuint bytes, out PrefaultFailure failure)
    {
        int errno = Protect(address, bytes, PosixConstants.ProtectReadWrite);
        if (errno == Errno.None)
        {
            failure = default;
            return true;
        }

        _ = Protect(address, bytes, PosixConstants.ProtectNone);
        failure = new PrefaultFailure(Errno.Describe("mprotect", errno), IsLasting: false);
        return false;
    }

    protected override bool TryPopulateCore(nint address, nuint bytes, PrefaultStep step, out PrefaultFailure failure)
    {
        failure = default;
        switch (step.Policy)
        {
            case PrefaultPolicy.None:
                return true;
            case PrefaultPolicy.Touch:
                PageToucher.Touch(address, bytes, Facts.PageBytes);
                return true;
            case PrefaultPolicy.Clear:
                PageToucher.Clear(address, bytes);
                return true;
            case PrefaultPolicy.Lock:
                int errno = Lock(address, bytes);
                failure = errno == Errno.None ? default : new PrefaultFailure(DescribeLock(errno), IsLasting: false);
                return errno == Errno.None;
            default:
                failure = new PrefaultFailure("not known on this system", IsLasting: true);
                return false;
        }
    }

    protected override bool TryDecommitCore(nint address, nuint bytes, out string reason) => TryReplaceByReserved(address, bytes, out reason);

    protected override void DiscardCore(nint address, nuint bytes)
    {
        // In one call: whoever reads meanwhile finds the old contents or the new.
        if (!TryMap(address, bytes, PosixConstants.ProtectReadWrite, PosixConstants.MapFixed | Constants.MapNoReserve, out _, out int errno))
        {
            FillHole(address, bytes);
            ThrowRefused("Discard", bytes, Errno.Describe("mmap", errno));
        }

        _ = TryFinishReservation(address, bytes);
    }

    protected override bool TryReleasePartCore(nint address, nuint bytes)
    {
        ReleaseOrThrow(address, bytes);
        return true;
    }

    protected override void ReleaseCore(nint address, nuint bytes) => ReleaseOrThrow(address, bytes);

    /// <summary>Maps fresh inaccessible address space over the range, whatever was there. On false, with the reason, anything may be there still.</summary>
    protected bool TryReplaceByReserved(nint address, nuint bytes, out string reason)
    {
        reason = string.Empty;
        if (!TryMap(address, bytes, PosixConstants.ProtectNone, PosixConstants.MapFixed | Constants.MapNoReserve, out _, out int errno))
        {
            reason = Errno.Describe("mmap", errno);
            FillHole(address, bytes);
        }
        else if (!TryFinishReservation(address, bytes))
        {
            reason = "the fresh mapping could not be set up";
        }

        return reason.Length == 0;
    }

    /// <summary>
    /// A call that maps over a range unmaps it first, and may fail afterwards: take the addresses back before anyone else gets them. Afterwards the range is ours,
    /// or is known as lost. Where nothing was unmapped, this does nothing.
    /// </summary>
    protected void FillHole(nint address, nuint bytes)
    {
        const int Attempts = 3; // the first may fail for want of what a moment later is there
        for (int attempt = 0; attempt < Attempts; attempt++)
        {
            if (TryMap(address, bytes, PosixConstants.ProtectNone, Constants.MapFixedNoReplace | Constants.MapNoReserve, out nint mapped, out _))
            {
                if (mapped == address)
                {
                    _ = TryFinishReservation(address, bytes);
                    return;
                }

                _ = Unmap(mapped, bytes); // a kernel without MAP_FIXED_NOREPLACE took the address for a hint
            }

            if (IsStillOurs(address, bytes))
                return;
        }

        Lose(address, bytes);
    }

    /// <summary>Whether nothing of a range was unmapped, as far as the system tells.</summary>
    protected virtual bool IsStillOurs(nint address, nuint bytes) => true;

    protected bool TryMap(nint address, nuint bytes, int protection, int extraFlags, out nint mapped, out int errno, int file = -1)
    {
        CountOsCall();
        mapped = _mmap(address, bytes, protection, PosixConstants.MapPrivate | Constants.MapAnonymous | extraFlags, file, 0);
        errno = mapped == -1 ? Marshal.GetLastSystemError() : Errno.None;
        return errno == Errno.None;
    }

    protected int Unmap(nint address, nuint bytes)
    {
        CountOsCall();
        return _munmap(address, bytes) == 0 ? Errno.None : Marshal.GetLastSystemError();
    }

    protected int Protect(nint address, nuint bytes, int protection)
    {
        CountOsCall();
        return _mprotect(address, bytes, protection) == 0 ? Errno.None : Marshal.GetLastSystemError();
    }

    protected int Advise(nint address, nuint bytes, int advice)
    {
        if (_madvise == null)
            return Errno.Invalid;

        CountOsCall();
        return _madvise(address, bytes, advice) == 0 ? Errno.None : Marshal.GetLastSystemError();
    }

    protected int Lock(nint address, nuint bytes)
    {
        if (_mlock == null)
            return Errno.Invalid;

        CountOsCall();
        return _mlock(address, bytes) == 0 ? Errno.None : Marshal.GetLastSystemError();
    }

    protected int Unlock(nint address, nuint bytes)
    {
        if (_munlock == null)
            return Errno.Invalid;

        CountOsCall();
        return _munlock(address, bytes) == 0 ? Errno.None : Marshal.GetLastSystemError();
    }

    /// <summary>The soft limit with the given number; no limit when it cannot be read.</summary>
    protected nuint ReadLimit(int resource)
    {
        ulong* limit = stackalloc ulong[2];
        return _getrlimit != null && _getrlimit(resource, limit) == 0 && limit[0] < long.MaxValue ? (nuint)limit[0] : nuint.MaxValue;
    }

    protected virtual string DescribeLock(int errno) => Errno.Describe("mlock", errno);

    protected static nint Required(INativeContext context, string function)
    {
        nint address = Optional(context, function);
        if (address == 0)
            ThrowWrongUse($"The operating system's libraries have no function named {function}, without which no memory can be managed.");

        return address;
    }

    protected static nint Optional(INativeContext context, string function) =>
        context.TryGetProcAddress(function, out nint address) ? address : 0;

    [DoesNotReturn]
    protected static void ThrowCannotCommit(nuint bytes, int errno) => throw new EngineOutOfMemoryException(
        $"The operating system refused to commit {bytes} bytes ({Errno.Describe("mprotect", errno)}): "
        + "a memory limit of the process or its count of mappings is exhausted.");

    private void ReleaseOrThrow(nint address, nuint bytes)
    {
        int errno = Unmap(address, bytes);
        if (errno != Errno.None)
            ThrowRefused("Release", bytes, Errno.Describe("munmap", errno));
    }
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

    /// <summary>RUSAGE_THREAD; RUSAGE_SELF (0) where threads are not told apart.</summary>
    public int FaultsOfThread { get; init; }

    /// <summary>ENOMEM and EINVAL are the same everywhere; this one is not.</summary>
    public required int ErrorTryAgain { get; init; }

    /// <summary>From asm-generic/mman-common.h and asm-generic/mman.h (x86-64, arm64, riscv64).</summary>
    public static PosixConstants Linux { get; } =
        new() { System = SystemKinds.Linux, MapAnonymous = 0x20, MapNoReserve = 0x4000, MapFixedNoReplace = 0x100000, ErrorTryAgain = 11, FaultsOfThread = 1 };

    /// <summary>From sys/mman.h of xnu.</summary>
    public static PosixConstants Mac { get; } =
        new() { System = SystemKinds.Mac, MapAnonymous = 0x1000, MapNoReserve = 0x40, ErrorTryAgain = 35 };

    /// <summary>From sys/mman.h of the BSDs; MAP_NORESERVE is left out, as newer ones do not have it.</summary>
    public static PosixConstants Bsd { get; } =
        new() { System = SystemKinds.OtherPosix, MapAnonymous = 0x1000, ErrorTryAgain = 35, FaultsOfThread = 1 };
}

/// <summary>Error numbers that are the same on every POSIX system, and the text of all.</summary>
internal static class Errno
{
    public const int None = 0;
    public const int NotPermitted = 1;
    public const int Interrupted = 4;
    public const int OutOfMemory = 12;
    public const int BadAddress = 14;
    public const int Invalid = 22;

    /// <summary>"mprotect: Cannot allocate memory (12)".</summary>
    public static string Describe(string call, int errno) => $"{call}: {Marshal.GetPInvokeErrorMessage(errno)} ({errno})";
}
