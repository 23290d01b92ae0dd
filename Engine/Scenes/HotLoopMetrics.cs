using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Text;
using M = SuperSlab.Scenes.HotLoopMetric;

namespace SuperSlab.Scenes;

/// <summary>What does not belong in a hot loop, each a kind that a guard counts.</summary>
public enum HotLoopMetric
{
    /// <summary>
    /// Page faults that interrupted a thread of the frame, wherever they were. Where the system does not record their
    /// addresses, all that it counts for the thread, pages made resident on request included. A rule holds those in
    /// the engine's memory or all of them (<see cref="FaultScope"/>).
    /// </summary>
    PageFaults,

    /// <summary>Calls of the engine to the operating system's memory functions.</summary>
    OsCalls,

    /// <summary>Bytes that the frame's threads allocated on the managed heap.</summary>
    ManagedBytes,

    /// <summary>Garbage collections of any generation, by any thread.</summary>
    Collections,

    /// <summary>Times that a lane of a watched frame arena needed more than its share.</summary>
    FrameOverflow,

    /// <summary>Times that a watched long-lived arena went beyond its soft or hard budget.</summary>
    BudgetOverrun,

    /// <summary>Tags that were over their budgets when the frame ended (<see cref="AllocationTag"/>).</summary>
    TagOverrun,

    /// <summary>Those of <see cref="BudgetOverrun"/> beyond a hard budget. Has no rule of its own.</summary>
    HardOverrun,

    /// <summary>
    /// Those of <see cref="PageFaults"/> in the engine's memory. The rule of page faults holds these by default.
    /// </summary>
    EngineFaults,

    /// <summary>
    /// Those of <see cref="PageFaults"/> in managed code and in the runtime: compiled methods, assemblies, the runtime's
    /// libraries and what they touch, the program where it was compiled ahead of time.
    /// </summary>
    RuntimeFaults,

    /// <summary>Those of <see cref="PageFaults"/> on the collector's heap.</summary>
    HeapFaults,

    /// <summary>
    /// Those of <see cref="PageFaults"/> in all other memory: of drivers and other libraries, stacks, files.
    /// </summary>
    NativeFaults,

    /// <summary>
    /// Times that a thread of the frame gave its processor away to wait: for a lock, a file, a driver. Waits of a
    /// <see cref="WorkerPool"/> for its workers do not count.
    /// </summary>
    Waits,
}

/// <summary>A row of the table of metrics.</summary>
/// <param name="Metric">The metric.</param>
/// <param name="RuleName">The name of its rule in plans; null where it has none.</param>
/// <param name="One">What is counted, in words, for reports.</param>
/// <param name="Words">More than one of it.</param>
/// <param name="IsOnRequest">Whether it is looked at only where a rule asks for it.</param>
/// <param name="Description">What the schema of plans says of its rule; null where the name says all.</param>
/// <param name="IsDetail">Whether reports leave it out where it is 0.</param>
internal sealed record HotLoopMetricRow(
    HotLoopMetric Metric,
    string? RuleName,
    string One,
    string Words,
    bool IsOnRequest = false,
    string? Description = null,
    bool IsDetail = false)
{
    /// <summary>"1 page fault", "2 page faults".</summary>
    public string Text(long count) => Sizes.Count(count, One, Words);
}

/// <summary>The table of metrics. A new one needs a row and a value in <see cref="HotLoopMetric"/>.</summary>
internal static class HotLoopMetrics
{
    public const int Count = 13;
    public const int PaddedCount = 16;

    /// <summary>In the order of <see cref="HotLoopMetric"/>.</summary>
    public static readonly HotLoopMetricRow[] All =
    [
        new(HotLoopMetric.PageFaults, "pageFaults", "page fault", "page faults",
            Description: "Page faults of the frame's threads, by default those in the engine's memory."),
        new(HotLoopMetric.OsCalls, "osCalls", "OS call", "OS calls"),
        new(HotLoopMetric.ManagedBytes, "managedBytes", "managed byte", "managed bytes"),
        new(HotLoopMetric.Collections, "collections", "collection", "collections"),
        new(HotLoopMetric.FrameOverflow, "frameOverflow", "frame overflow", "frame overflows"),
        new(HotLoopMetric.BudgetOverrun, "budgetOverrun", "budget overrun", "budget overruns"),
        new(HotLoopMetric.TagOverrun, "tagOverrun", "tag over its budget", "tags over their budgets", IsOnRequest: true,
            "Tags over their budgets at the frame's end. Not looked at where it is absent; needs memory counters."),
        new(HotLoopMetric.HardOverrun, null, "overrun of a hard budget", "overruns of hard budgets", IsOnRequest: true),
        new(HotLoopMetric.EngineFaults, null, "page fault in the engine's memory",
            "page faults in the engine's memory", IsOnRequest: true, IsDetail: true),
        new(HotLoopMetric.RuntimeFaults, "runtimeFaults", "page fault in managed code and the runtime",
            "page faults in managed code and the runtime", IsOnRequest: true,
            "Page faults in managed code and the runtime. Allowed where it is absent.", IsDetail: true),
        new(HotLoopMetric.HeapFaults, "heapFaults", "page fault on the collector's heap",
            "page faults on the collector's heap", IsOnRequest: true,
            "Page faults on the collector's heap. Allowed where it is absent.", IsDetail: true),
        new(HotLoopMetric.NativeFaults, "nativeFaults", "page fault in other memory", "page faults in other memory",
            IsOnRequest: true, "Page faults in drivers, other libraries, stacks, files. Allowed where it is absent.",
            IsDetail: true),
        new(HotLoopMetric.Waits, "waits", "wait", "waits", IsOnRequest: true,
            "Times that a thread gave its processor away to wait. Allowed where it is absent.", IsDetail: true),
    ];

    public static readonly ChoiceWords<HotLoopAction> Actions = new();

    public static readonly ChoiceWords<FaultScope> Scopes = new();

    /// <summary>All counts with their words.</summary>
    public static string Text(in HotLoopCounts counts)
    {
        StringBuilder text = new();
        foreach (HotLoopMetricRow row in All)
        {
            if (!row.IsDetail || counts[row.Metric] != 0)
                text.Append(text.Length == 0 ? "" : ", ").Append(row.Text(counts[row.Metric]));
        }

        return text.ToString();
    }
}

/// <summary>A value for each metric, and zeros up to whole vectors.</summary>
[InlineArray(HotLoopMetrics.PaddedCount)]
internal struct MetricArray<T>
{
    private T _first;
}

/// <summary>
/// What a scene's frames may do. By default nothing is allowed, and what happens is counted. Immutable; any thread.
/// </summary>
public sealed record HotLoopRules
{
    private MetricArray<HotLoopRule?> _rules;

    /// <summary>Rules that allow nothing and count.</summary>
    public HotLoopRules()
    {
        foreach (HotLoopMetricRow row in HotLoopMetrics.All)
            _rules[(int)row.Metric] = row.IsOnRequest ? null : default(HotLoopRule);
    }

    /// <summary>Frames at the beginning without rules, in which code is compiled and faulted in. Default 0.</summary>
    public int WarmUpFrameCount { get; init; }

    /// <summary>The rule for <see cref="HotLoopMetric.PageFaults"/>.</summary>
    public HotLoopRule PageFaults { get => Of(M.PageFaults); init => Set(M.PageFaults, value); }

    /// <summary>The rule for <see cref="HotLoopMetric.OsCalls"/>.</summary>
    public HotLoopRule OsCalls { get => Of(M.OsCalls); init => Set(M.OsCalls, value); }

    /// <summary>The rule for <see cref="HotLoopMetric.ManagedBytes"/>.</summary>
    public HotLoopRule ManagedBytes { get => Of(M.ManagedBytes); init => Set(M.ManagedBytes, value); }

    /// <summary>The rule for <see cref="HotLoopMetric.Collections"/>.</summary>
    public HotLoopRule Collections { get => Of(M.Collections); init => Set(M.Collections, value); }

    /// <summary>The rule for <see cref="HotLoopMetric.FrameOverflow"/>.</summary>
    public HotLoopRule FrameOverflow { get => Of(M.FrameOverflow); init => Set(M.FrameOverflow, value); }

    /// <summary>The rule for <see cref="HotLoopMetric.BudgetOverrun"/>.</summary>
    public HotLoopRule BudgetOverrun { get => Of(M.BudgetOverrun); init => Set(M.BudgetOverrun, value); }

    /// <summary>
    /// The rule for <see cref="HotLoopMetric.TagOverrun"/>. Null, the default, does not look at tags, which reads the
    /// counters of all threads in all arenas. A guard refuses the rule without <see cref="MemoryCounters"/>.
    /// </summary>
    public HotLoopRule? TagOverrun { get => this[M.TagOverrun]; init => Set(M.TagOverrun, value); }

    /// <summary>The rule for <see cref="HotLoopMetric.RuntimeFaults"/>. Null, the default, allows them.</summary>
    public HotLoopRule? RuntimeFaults { get => this[M.RuntimeFaults]; init => Set(M.RuntimeFaults, value); }

    /// <summary>The rule for <see cref="HotLoopMetric.HeapFaults"/>. Null, the default, allows them.</summary>
    public HotLoopRule? HeapFaults { get => this[M.HeapFaults]; init => Set(M.HeapFaults, value); }

    /// <summary>The rule for <see cref="HotLoopMetric.NativeFaults"/>. Null, the default, allows them.</summary>
    public HotLoopRule? NativeFaults { get => this[M.NativeFaults]; init => Set(M.NativeFaults, value); }

    /// <summary>The rule for <see cref="HotLoopMetric.Waits"/>. Null, the default, allows them.</summary>
    public HotLoopRule? Waits { get => this[M.Waits]; init => Set(M.Waits, value); }

    /// <summary>The rule for a metric; null where it has none.</summary>
    public HotLoopRule? this[HotLoopMetric metric] => _rules[(int)metric];

    /// <summary>These rules with another one for a metric.</summary>
    internal HotLoopRules With(HotLoopMetric metric, HotLoopRule? rule)
    {
        HotLoopRules rules = this with { };
        rules.Set(metric, rule);
        return rules;
    }

    /// <inheritdoc/>
    public bool Equals(HotLoopRules? other) => other is not null && WarmUpFrameCount == other.WarmUpFrameCount
        && ((ReadOnlySpan<HotLoopRule?>)_rules).SequenceEqual(other._rules);

    /// <inheritdoc/>
    public override int GetHashCode()
    {
        HashCode hash = default;
        hash.Add(WarmUpFrameCount);
        foreach (HotLoopRule? rule in _rules)
            hash.Add(rule);

        return hash.ToHashCode();
    }

    private HotLoopRule Of(HotLoopMetric metric) => _rules[(int)metric] ?? default;

    private void Set(HotLoopMetric metric, HotLoopRule? rule) => _rules[(int)metric] = rule;
}

/// <summary>What a frame may do of one metric. Immutable; any thread.</summary>
/// <param name="AllowedPerFrame">How many (of managed bytes: how many bytes) a frame may have. Default 0.</param>
/// <param name="Action">What is done about more.</param>
/// <param name="In">Which page faults the rule of <see cref="HotLoopMetric.PageFaults"/> holds; not for others.</param>
public readonly record struct HotLoopRule(
    long AllowedPerFrame, HotLoopAction Action = HotLoopAction.Count, FaultScope In = FaultScope.Engine)
{
    /// <summary>The metric that the rule of a metric holds.</summary>
    internal HotLoopMetric Holds(HotLoopMetric metric) =>
        metric == M.PageFaults && In == FaultScope.Engine ? M.EngineFaults : metric;
}

/// <summary>Where page faults count.</summary>
public enum FaultScope
{
    /// <summary>
    /// In the engine's memory, which is what prewarming promises. Where the system tells no addresses, faults count in
    /// frames in which the engine asked the system for memory.
    /// </summary>
    Engine,

    /// <summary>Anywhere.</summary>
    Thread,
}

/// <summary>What is done when a frame breaks a <see cref="HotLoopRule"/>. It is counted in any case.</summary>
public enum HotLoopAction
{
    /// <summary>Nothing more.</summary>
    Count,

    /// <summary>It is reported, at a limited rate.</summary>
    Log,

    /// <summary>The end of the frame throws.</summary>
    Throw,

    /// <summary>The game's own function is called.</summary>
    Callback,
}

/// <summary>
/// What happened, metric by metric, in a frame or in many. A thread's counts have page faults, OS calls, managed bytes
/// and waits only. Immutable; hot-loop safe; any thread.
/// </summary>
public record struct HotLoopCounts
{
    private MetricArray<long> _counts;

    /// <inheritdoc cref="HotLoopMetric.PageFaults"/>
    public long PageFaults { readonly get => this[M.PageFaults]; init => Set(M.PageFaults, value); }

    /// <inheritdoc cref="HotLoopMetric.OsCalls"/>
    public long OsCalls { readonly get => this[M.OsCalls]; init => Set(M.OsCalls, value); }

    /// <inheritdoc cref="HotLoopMetric.ManagedBytes"/>
    public long ManagedBytes { readonly get => this[M.ManagedBytes]; init => Set(M.ManagedBytes, value); }

    /// <inheritdoc cref="HotLoopMetric.Collections"/>
    public long Collections { readonly get => this[M.Collections]; init => Set(M.Collections, value); }

    /// <inheritdoc cref="HotLoopMetric.FrameOverflow"/>
    public long FrameOverflows { readonly get => this[M.FrameOverflow]; init => Set(M.FrameOverflow, value); }

    /// <inheritdoc cref="HotLoopMetric.BudgetOverrun"/>
    public long BudgetOverruns { readonly get => this[M.BudgetOverrun]; init => Set(M.BudgetOverrun, value); }

    /// <inheritdoc cref="HotLoopMetric.TagOverrun"/>
    public long TagOverruns { readonly get => this[M.TagOverrun]; init => Set(M.TagOverrun, value); }

    /// <inheritdoc cref="HotLoopMetric.HardOverrun"/>
    public long HardOverruns { readonly get => this[M.HardOverrun]; init => Set(M.HardOverrun, value); }

    /// <inheritdoc cref="HotLoopMetric.EngineFaults"/>
    public long EngineFaults { readonly get => this[M.EngineFaults]; init => Set(M.EngineFaults, value); }

    /// <inheritdoc cref="HotLoopMetric.RuntimeFaults"/>
    public long RuntimeFaults { readonly get => this[M.RuntimeFaults]; init => Set(M.RuntimeFaults, value); }

    /// <inheritdoc cref="HotLoopMetric.HeapFaults"/>
    public long HeapFaults { readonly get => this[M.HeapFaults]; init => Set(M.HeapFaults, value); }

    /// <inheritdoc cref="HotLoopMetric.NativeFaults"/>
    public long NativeFaults { readonly get => this[M.NativeFaults]; init => Set(M.NativeFaults, value); }

    /// <inheritdoc cref="HotLoopMetric.Waits"/>
    public long Waits { readonly get => this[M.Waits]; init => Set(M.Waits, value); }

    /// <summary>Those of <see cref="BudgetOverruns"/> that stayed below the hard budget.</summary>
    public readonly long SoftOverruns => BudgetOverruns - HardOverruns;

    /// <summary>The count of a metric.</summary>
    public readonly long this[HotLoopMetric metric] => _counts[(int)metric];

    /// <summary>Both together.</summary>
    public static HotLoopCounts operator +(HotLoopCounts left, HotLoopCounts right)
    {
        ref long sums = ref left._counts[0];
        ref long added = ref right._counts[0];
        for (nuint index = 0; index < HotLoopMetrics.PaddedCount; index += (nuint)Vector128<long>.Count)
        {
            Vector128<long> sum = Vector128.LoadUnsafe(ref sums, index) + Vector128.LoadUnsafe(ref added, index);
            sum.StoreUnsafe(ref sums, index);
        }

        return left;
    }

    /// <summary>What <paramref name="left"/> has more than <paramref name="right"/>.</summary>
    public static HotLoopCounts operator -(HotLoopCounts left, HotLoopCounts right)
    {
        ref long rest = ref left._counts[0];
        ref long taken = ref right._counts[0];
        for (nuint index = 0; index < HotLoopMetrics.PaddedCount; index += (nuint)Vector128<long>.Count)
        {
            Vector128<long> less = Vector128.LoadUnsafe(ref rest, index) - Vector128.LoadUnsafe(ref taken, index);
            less.StoreUnsafe(ref rest, index);
        }

        return left;
    }

    /// <summary><c>left + right</c>.</summary>
    public static HotLoopCounts Add(HotLoopCounts left, HotLoopCounts right) => left + right;

    /// <summary><c>left - right</c>.</summary>
    public static HotLoopCounts Subtract(HotLoopCounts left, HotLoopCounts right) => left - right;

    /// <inheritdoc/>
    public readonly bool Equals(HotLoopCounts other) => ((ReadOnlySpan<long>)_counts).SequenceEqual(other._counts);

    /// <inheritdoc/>
    public override readonly int GetHashCode()
    {
        HashCode hash = default;
        foreach (long count in _counts)
            hash.Add(count);

        return hash.ToHashCode();
    }

    /// <inheritdoc/>
    public override readonly string ToString() => HotLoopMetrics.Text(this);

    /// <summary>Adds to one metric.</summary>
    internal void Add(HotLoopMetric metric, long count) => _counts[(int)metric] += count;

    private void Set(HotLoopMetric metric, long count) => _counts[(int)metric] = count;
}
