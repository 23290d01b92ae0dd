using System.Globalization;

namespace Engine.Scenes;

/// <summary>The whole numbers or sizes in bytes that a property of a plan may have.</summary>
/// <param name="Minimum">The smallest.</param>
/// <param name="Maximum">The largest.</param>
/// <param name="IsSize">Whether it is a size in bytes.</param>
internal sealed record PlanRange(long Minimum, long Maximum, bool IsSize = false)
{
    private const long Tebi = 1L << 40;

    /// <summary>The largest size in any plan: more than machines have, and so small that sums of it do not overflow.</summary>
    private static readonly long s_largest = sizeof(long) > nint.Size ? int.MaxValue : 16 * Tebi;

    public static readonly PlanRange BytesPerLane = new(4096, 1 << 30, IsSize: true);
    public static readonly PlanRange Lanes = new(1, 512);
    public static readonly PlanRange Buffers = new(1, 16);
    public static readonly PlanRange OverflowSuperSlabs = new(0, 65_536);
    public static readonly PlanRange Budget = new(2 << 20, s_largest, IsSize: true);
    public static readonly PlanRange Retain = new(0, s_largest, IsSize: true);
    public static readonly PlanRange BlockBytes = new(1, s_largest, IsSize: true);
    public static readonly PlanRange BlockCount = new(0, 1_000_000_000);
    public static readonly PlanRange BlockThreads = new(0, 512);
    public static readonly PlanRange SuperSlabs = new(0, 1_000_000);
    public static readonly PlanRange Threads = new(1, 512);
    public static readonly PlanRange WarmUpFrames = new(0, 1_000_000);
    public static readonly PlanRange AllowedPerFrame = new(0, 1_000_000_000);

    /// <summary>What a plan may prewarm in one arena.</summary>
    public static readonly PlanRange PrewarmBytes = new(0, s_largest, IsSize: true);

    public const int SceneNameLength = 100;
    public const int ArenaNameLength = 64;
    public const int Arenas = 256;
    public const int Blocks = 4096;

    /// <summary>The range in words.</summary>
    public string Text => IsSize
        ? $"a size from {PlanText.Size((nuint)Minimum)} to {PlanText.Size((nuint)Maximum)}, in bytes or as text such as \"8 MiB\" (units {PlanText.Units})"
        : string.Create(CultureInfo.InvariantCulture, $"a whole number from {Minimum} to {Maximum}");

    public bool Contains(decimal value) => value >= Minimum && value <= Maximum;
}
