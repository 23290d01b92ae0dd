namespace Engine.Platform;

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
