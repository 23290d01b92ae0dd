namespace Engine.Platform;

/// <summary>
/// What was asked of the machine once, at start. Nothing above this folder asks which operating system runs:
/// it asks these facts.
/// </summary>
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

    /// <summary>The system's setting for transparent huge pages: "always", "madvise", "never", or "absent".</summary>
    public string TransparentHugePages { get; init; } = "absent";

    /// <summary>Whether <see cref="VirtualMemory.PagesThatWouldFault"/> tells the truth here (tried once, at start).</summary>
    public bool TellsWhichPagesWouldFault { get; init; }

    /// <summary>Whether <see cref="VirtualMemory.TryMovePages"/> can succeed here (it may still say no).</summary>
    public bool MovesPages { get; init; }

    /// <summary>The most address space this process may take (RLIMIT_AS), in bytes; <see cref="nuint.MaxValue"/> when unlimited.</summary>
    public nuint AddressSpaceLimitBytes { get; init; } = nuint.MaxValue;

    /// <summary>Whether transparent huge pages are to be had by asking.</summary>
    public bool HasTransparentHugePages => HugePageBytes != 0 && TransparentHugePages is "always" or "madvise";
}
