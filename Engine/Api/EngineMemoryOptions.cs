using System.Diagnostics;
using System.Reflection;
using Silk.NET.Core.Contexts;

namespace SuperSlab;

/// <summary>
/// How an <see cref="EngineMemory"/> is set up. Immutable; checked when the memory is made, after these environment variables, where they
/// are set, have taken the place of what is said here:
/// <code>
///   ENGINE_MEMORY_RESERVATION   ReservationBytes   "16 GiB", units B, bytes, KiB, MiB, GiB or TiB; or plain bytes
///   ENGINE_MEMORY_PREFAULT      Prefault           automatic, none, touch, clear, populate-at-mapping, populate-write, lock, prefetch
///   ENGINE_MEMORY_PAGES         Pages              automatic, normal, transparent-huge, explicit-huge
///   ENGINE_MEMORY_NODES         Nodes              automatic, first-touch, interleave
///   ENGINE_MEMORY_RETAIN        RetainBytes        a size as above
///   ENGINE_MEMORY_CHECKS        Checks             automatic, off, hardened, full
/// </code>
/// <see cref="EngineMemory.Settings"/> prints what came of it.
/// </summary>
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

    /// <summary>On which memory nodes pages lie (NUMA). Default: taking turns where there are several.</summary>
    public NodePolicy Nodes { get; init; }

    /// <summary>
    /// How much prefaulted memory is kept in reserve, in bytes, when an arena is disposed, instead of being given back to the system.
    /// Default 0: all goes back.
    /// </summary>
    public nuint RetainBytes { get; init; }

    /// <summary>How closely arenas watch their use. Default: fully in a Debug build of the application, else what costs nothing.</summary>
    public MemoryChecks Checks { get; init; }

    /// <summary>What full checks do in detail.</summary>
    public CheckSettings CheckSettings { get; init; } = new();

    /// <summary>Where the operating system's functions are found; null, the default, is the system's own library. Tests hand in one that fails.</summary>
    public INativeContext? NativeContext { get; init; }

    /// <summary>These options with what the environment says instead.</summary>
    /// <exception cref="EngineMemoryException">A variable has a value that is not valid; the message lists those that are.</exception>
    internal EngineMemoryOptions With(EnvironmentSettings environment) => this with
    {
        ReservationBytes = environment.Bytes("ENGINE_MEMORY_RESERVATION", ReservationBytes),
        Prefault = environment.Choice("ENGINE_MEMORY_PREFAULT", SettingWords.Prefault, Prefault),
        Pages = environment.Choice("ENGINE_MEMORY_PAGES", SettingWords.Pages, Pages),
        Nodes = environment.Choice("ENGINE_MEMORY_NODES", SettingWords.Nodes, Nodes),
        RetainBytes = environment.Bytes("ENGINE_MEMORY_RETAIN", RetainBytes),
        Checks = Resolve(environment.Choice("ENGINE_MEMORY_CHECKS", SettingWords.Checks, Checks)),
    };

    private static MemoryChecks Resolve(MemoryChecks checks) => checks != MemoryChecks.Automatic ? checks
        : Assembly.GetEntryAssembly()?.GetCustomAttribute<DebuggableAttribute>() is { IsJITOptimizerDisabled: true } ? MemoryChecks.Full
        : MemoryChecks.Off;
}
