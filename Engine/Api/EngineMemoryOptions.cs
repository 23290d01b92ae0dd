using System.Diagnostics;
using System.Reflection;
using Silk.NET.Core.Contexts;

namespace SuperSlab;

/// <summary>
/// Options of an <see cref="EngineMemory"/>. Immutable. These environment variables override them, and the result is
/// checked when the memory is made:
/// <code>
///   ENGINE_MEMORY_RESERVATION   ReservationBytes   "16 GiB", units B, bytes, KiB, MiB, GiB or TiB; or plain bytes;
///                                                  0 for an automatic one
///   ENGINE_MEMORY_PREFAULT      Prefault           automatic, none, touch, clear, populate-at-mapping,
///                                                  populate-write, lock, prefetch
///   ENGINE_MEMORY_PAGES         Pages              automatic, normal, transparent-huge, explicit-huge
///   ENGINE_MEMORY_STAY          Stay               none, lock, pin, automatic
///   ENGINE_MEMORY_NODES         Nodes              automatic, first-touch, interleave, local
///   ENGINE_MEMORY_RETAIN        RetainBytes        a size as above
///   ENGINE_MEMORY_HEADROOM      HeadroomBytes      a size as above
///   ENGINE_MEMORY_CHECKS        Checks             automatic, off, hardened, full
/// </code>
/// <see cref="EngineMemory.Settings"/> prints the result.
/// </summary>
public sealed record EngineMemoryOptions
{
    /// <summary>
    /// Address space to reserve, in bytes: a multiple of 2 MiB, at least 64 MiB. It costs no memory. 0, the default,
    /// takes 64 GiB, or under a limit (ulimit -v) a quarter of what is left beyond 512 MiB, so that the runtime has
    /// address space too. An explicit size that the system refuses is an error.
    /// </summary>
    public nuint ReservationBytes { get; init; }

    /// <summary>How memory is made resident before it is handed out. Default: the best verified policy of the
    /// machine.</summary>
    public PrefaultPolicy Prefault { get; init; }

    /// <summary>The kind of pages. Default: the best that needs no privilege.</summary>
    public PageKind Pages { get; init; }

    /// <summary>
    /// What keeps resident pages where they are, tables included. Default: nothing. Scene plans may ask for more.
    /// </summary>
    public StayPolicy Stay { get; init; }

    /// <summary>How much of an arena's last SuperSlab a prewarm makes resident. Default: all of it. Scene plans may ask
    /// for less.</summary>
    public PrefaultGranularity Granularity { get; init; }

    /// <summary>The memory nodes (NUMA) that pages lie on. Default: they take turns where there are several.</summary>
    public NodePolicy Nodes { get; init; }

    /// <summary>
    /// Bytes of prefaulted memory that stay in reserve when an arena is disposed. Default 0: all goes back to the
    /// system.
    /// </summary>
    public nuint RetainBytes { get; init; }

    /// <summary>
    /// Memory of the machine, or of the container that limits the process, that prefaulting leaves free, in bytes: an
    /// <see cref="EngineOutOfMemoryException"/> comes before the kernel kills the process, and can be handled. Default
    /// null: a sixteenth of the limit, at least 16 MiB (or an eighth of a limit below 128 MiB) and at most 256 MiB. 0
    /// leaves nothing.
    /// </summary>
    public nuint? HeadroomBytes { get; init; }

    /// <summary>How closely arenas check their use. Default: full in a Debug build of the application, else
    /// off.</summary>
    public MemoryChecks Checks { get; init; }

    /// <summary>What full checks do in detail.</summary>
    public CheckSettings CheckSettings { get; init; } = new();

    /// <summary>Where the system's functions are looked up. Default: null, the system's own library. Tests pass one
    /// that fails.</summary>
    public INativeContext? NativeContext { get; init; }

    /// <summary>These options with what the environment says instead.</summary>
    /// <exception cref="EngineMemoryException">A variable has a value that is not valid; the message lists those that
    /// are.</exception>
    internal EngineMemoryOptions With(EnvironmentSettings environment) => this with
    {
        ReservationBytes = environment.Bytes(
            "ENGINE_MEMORY_RESERVATION", static bytes => bytes == 0 || Reservation.IsPossible(bytes),
            "0 for an automatic one, or a multiple of 2 MiB from 64 MiB on") ?? ReservationBytes,
        Prefault = environment.Choice("ENGINE_MEMORY_PREFAULT", SettingWords.Prefault, Prefault),
        Pages = environment.Choice("ENGINE_MEMORY_PAGES", SettingWords.Pages, Pages),
        Stay = environment.Choice("ENGINE_MEMORY_STAY", SettingWords.Stay, Stay),
        Granularity = environment.Choice("ENGINE_MEMORY_GRANULARITY", SettingWords.Granularity, Granularity),
        Nodes = environment.Choice("ENGINE_MEMORY_NODES", SettingWords.Nodes, Nodes),
        RetainBytes = environment.Bytes("ENGINE_MEMORY_RETAIN") ?? RetainBytes,
        HeadroomBytes = environment.Bytes("ENGINE_MEMORY_HEADROOM") ?? HeadroomBytes,
        Checks = Resolve(environment.Choice("ENGINE_MEMORY_CHECKS", SettingWords.Checks, Checks)),
    };

    private static MemoryChecks Resolve(MemoryChecks checks) => checks != MemoryChecks.Automatic ? checks
        : Assembly.GetEntryAssembly()?.GetCustomAttribute<DebuggableAttribute>() is { IsJITOptimizerDisabled: true }
            ? MemoryChecks.Full
        : MemoryChecks.Off;
}
