using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace SuperSlab;

/// <summary>What the machine answered at start. Code above this folder never asks which system it is.</summary>
internal sealed record PlatformFacts
{
    /// <summary>Which of the systems that the prefault table tells apart.</summary>
    public required SystemKinds System { get; init; }

    /// <summary>The unit of commit and decommit, in bytes; a power of two.</summary>
    public required nuint PageBytes { get; init; }

    /// <summary>Reservations start at multiples of this (64 KiB on Windows, the page size elsewhere).</summary>
    public required nuint AllocationGranularityBytes { get; init; }

    /// <summary>The huge page that fits a SuperSlab, in bytes; 0 where the machine has none.</summary>
    public nuint HugePageBytes { get; init; }

    /// <summary>The system has no transparent huge pages that fit a SuperSlab.</summary>
    public const string Absent = "absent";

    /// <summary>Nothing can be read about transparent huge pages; they are tried.</summary>
    public const string Unread = "cannot be read";

    /// <summary>
    /// The system's setting for transparent huge pages: "always", "madvise", "never", <see cref="Absent"/> or
    /// <see cref="Unread"/>.
    /// </summary>
    public string TransparentHugePages { get; init; } = Absent;

    /// <summary>Whether <see cref="VirtualMemory.PagesThatWouldFault"/> works here (tried once, at start).</summary>
    public bool TellsWhichPagesWouldFault { get; init; }

    /// <summary>Whether <see cref="VirtualMemory.TryMovePages"/> can succeed here. A call may still fail.</summary>
    public bool MovesPages { get; init; }

    /// <summary>Whether parts of a reservation can be released; Windows releases whole reservations only.</summary>
    public bool ReleasesParts { get; init; } = true;

    /// <summary>The most address space this process may take (RLIMIT_AS), in bytes.</summary>
    public nuint AddressSpaceLimitBytes { get; init; } = nuint.MaxValue;

    /// <summary>Whether the system grants transparent huge pages on request, or may.</summary>
    public bool HasTransparentHugePages =>
        HugePageBytes != 0 && TransparentHugePages is "always" or "madvise" or Unread;
}

/// <summary>Errors of the operating system and their texts.</summary>
internal static class Errno
{
    // These numbers are the same on every POSIX system.
    public const int None = 0;
    public const int NotPermitted = 1;
    public const int Interrupted = 4;
    public const int OutOfMemory = 12;
    public const int Invalid = 22;

    /// <summary>ENOSYS.</summary>
    public const int NotImplementedOnLinux = 38;

    /// <summary>"mprotect: Cannot allocate memory (12)".</summary>
    public static string Describe(string call, int errno) =>
        $"{call}: {Marshal.GetPInvokeErrorMessage(errno)} ({errno})";

    /// <summary>The same, or null where there is no error.</summary>
    public static string? Refusal(string call, int errno) => errno == None ? null : Describe(call, errno);

    /// <summary>Why a step did not work; null where there is no error.</summary>
    public static PrefaultFailure? Failure(string call, int errno, bool isLasting) =>
        errno == None ? null : new(Describe(call, errno), isLasting);
}

/// <summary>The policies that need no help from the operating system: write to every page, or to every byte.</summary>
internal static unsafe class PageToucher
{
    /// <summary>Writes to each page by a locked or with zero: one fault. A read first would add a fault.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Touch(nint address, nuint bytes, nuint pageBytes)
    {
        for (nuint offset = 0; offset < bytes; offset += pageBytes)
            Interlocked.Or(ref *(int*)((nuint)address + offset), 0);
    }

    /// <summary>Overwrites the range with zeros.</summary>
    public static void Clear(nint address, nuint bytes) => NativeMemory.Clear((void*)address, bytes);
}
