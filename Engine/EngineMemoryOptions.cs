using Engine.Platform;
using Silk.NET.Core.Contexts;

namespace Engine;

/// <summary>How an <see cref="EngineMemory"/> is set up. Immutable; checked when the memory is made.</summary>
public sealed record EngineMemoryOptions
{
    /// <summary>
    /// Address space to reserve, in bytes: a multiple of 2 MiB of at least 64 MiB. It costs no memory. 0, the default, takes 64 GiB, or
    /// where the system allows less the half, and so on. An explicit size that the system refuses is an error.
    /// </summary>
    public nuint ReservationBytes { get; init; }

    /// <summary>How physical pages are put behind memory before it is handed out. Default: the best the machine verifiably offers.</summary>
    public PrefaultPolicy Prefault { get; init; }

    /// <summary>The kind of pages. Default: the best that needs no privilege.</summary>
    public PageKind Pages { get; init; }

    /// <summary>
    /// How much prefaulted memory is kept in reserve, in bytes, when an arena is disposed, instead of being given back to the system.
    /// Default 0: all goes back.
    /// </summary>
    public nuint RetainBytes { get; init; }

    /// <summary>Where the operating system's functions are found; null, the default, is the system's own library. Tests hand in one that fails.</summary>
    public INativeContext? NativeContext { get; init; }
}
