using System.Globalization;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text.Json.Serialization;
using System.Text.Json;
using SuperSlab.Scenes;

#pragma warning disable CS1591, CS1573 // The columns are documented where their names and units do not say everything.
namespace SuperSlab.Diagnostics;

/// <summary>
/// Everything that one profiled run knows, as plain data: what the profiler writes and the report, the live view and other tools read.
/// Times are nanoseconds since the profile began, sizes are bytes. Immutable; any thread; managed memory, so made after the hot loop.
/// </summary>
public sealed record ProfileDocument
{
    private const int CurrentVersion = 1;

    /// <summary>Grows when a field changes its meaning.</summary>
    public int Version { get; init; } = CurrentVersion;

    /// <summary>The program, with its arguments.</summary>
    public required string Application { get; init; }

    /// <summary>System, processor count, runtime; JIT or compiled ahead of time.</summary>
    public required string Machine { get; init; }

    public required DateTimeOffset Began { get; init; }

    public required long Nanoseconds { get; init; }

    /// <summary>Whether allocations were counted; where they were not, there are no tags, and the frames' allocations are 0.</summary>
    public bool HasCounters { get; init; }

    public required ProfileReservation Reservation { get; init; }

    /// <summary>The policies of the prefault chain in their order, each with what became of it and why.</summary>
    public IReadOnlyList<ProfilePolicy> Policies { get; init; } = [];

    public IReadOnlyList<ProfileArena> Arenas { get; init; } = [];

    public IReadOnlyList<ProfileSuperSlab> SuperSlabs { get; init; } = [];

    public IReadOnlyList<ProfileClass> Classes { get; init; } = [];

    public IReadOnlyList<ProfileLane> Lanes { get; init; } = [];

    public IReadOnlyList<ProfileThreadCache> ThreadCaches { get; init; } = [];

    public IReadOnlyList<ProfileTag> Tags { get; init; } = [];

    public ProfileFrames Frames { get; init; } = new();

    /// <summary>Frames that took much longer than their neighbours or broke a rule, with what is known of the reason.</summary>
    public IReadOnlyList<ProfileHitch> Hitches { get; init; } = [];

    /// <summary>
    /// Bytes over time, one series for each arena and each tag; all series have the times of <see cref="ProfileSeries.Times"/>. An arena's
    /// are blocks that callers hold (and thread caches, where nothing is counted), or the frame's; arenas of one name share a series.
    /// </summary>
    public ProfileSeries Memory { get; init; } = new();

    public ProfileFaults Faults { get; init; } = new();

    /// <summary>Spans that are not frames: level loads, prewarms, unloads; and SuperSlabs coming and going.</summary>
    public IReadOnlyList<ProfileEvent> Events { get; init; } = [];

    /// <summary>What each scene's plan asked for and what was used of it.</summary>
    public IReadOnlyList<ProfilePlan> Plans { get; init; } = [];

    /// <exception cref="JsonException">The file holds no profile, or one of a later version.</exception>
    public static ProfileDocument Read(string path)
    {
        using FileStream file = File.OpenRead(path);
        return Read(file);
    }

    /// <inheritdoc cref="Read(string)"/>
    public static ProfileDocument Read(Stream stream)
    {
        ProfileDocument document = JsonSerializer.Deserialize(stream, ProfileJson.Default.ProfileDocument)
            ?? throw new JsonException("It holds no profile.");
        return document.Version == CurrentVersion
            ? document
            : throw new JsonException($"It is a profile of version {document.Version}, and this program reads version {CurrentVersion}.");
    }

    public void Write(string path)
    {
        using FileStream file = File.Create(path);
        Write(file);
    }

    /// <summary>Writes UTF-8 without line breaks, in which no character has a meaning in HTML.</summary>
    public void Write(Stream stream) => JsonSerializer.Serialize(stream, this, ProfileJson.Default.ProfileDocument);
}

/// <param name="MappedBytes">Address space reserved.</param>
/// <param name="ResidentBytes">Of it resident, as the system says; -1 where it does not.</param>
/// <param name="OwnedSuperSlabs">Held by arenas.</param>
/// <param name="ReadySuperSlabs">Prefaulted and held by none.</param>
/// <param name="MetadataBytes">Resident tables, caches and descriptors.</param>
/// <param name="PrefaultNanoseconds">Time spent in making memory resident.</param>
public sealed record ProfileReservation(
    ulong Base, ulong MappedBytes, long ResidentBytes, int OwnedSuperSlabs, int ReadySuperSlabs, ulong MetadataBytes, long OsCalls, long PrefaultNanoseconds);

/// <param name="Name">Pages and policy, for example "TransparentHuge pages by PopulateWrite".</param>
/// <param name="Outcome">"in force", "left" or "not tried".</param>
/// <param name="Reason">What its check said, or why it was left.</param>
public sealed record ProfilePolicy(string Name, string Outcome, string Reason);

/// <param name="Kind">"long-lived" or "frame".</param>
/// <param name="LiveBytes">Blocks that callers hold; of a frame arena the bytes used in the current frame.</param>
/// <param name="CachedBytes">Free blocks in thread caches.</param>
/// <param name="PeakBytes">The most SuperSlab bytes held.</param>
/// <param name="SoftBudget">0 where there is none.</param>
public sealed record ProfileArena(
    string Name, string Kind, int SuperSlabs, ulong LiveBytes, ulong CachedBytes, ulong PeakBytes, ulong SoftBudget, ulong HardBudget, long SoftOverruns, long HardOverruns);

/// <param name="State">"free", "ready", "owned" or "extent" (inside or at the begin of an extent of several).</param>
/// <param name="Pages">The kind of pages behind it.</param>
/// <param name="Arena">Empty where no arena owns it.</param>
/// <param name="UsedBytes">Bytes of blocks that are out of their runs: callers' and caches'.</param>
/// <param name="Slabs">For each of its 32 slabs: the block bytes of the class it is divided in, 0 for a free slab. Empty where it is not divided into slabs.</param>
public sealed record ProfileSuperSlab(int Index, string State, string Pages, string Arena, ulong UsedBytes, IReadOnlyList<ulong> Slabs);

/// <param name="WasteBytes">Memory of the class's runs that no block can use: tails of runs.</param>
public sealed record ProfileClass(string Arena, ulong BlockBytes, long Live, long Free, long Cached, ulong WasteBytes);

public sealed record ProfileLane(string Arena, int Lane, ulong CapacityBytes, ulong UsedBytes, ulong HighWaterBytes);

public sealed record ProfileThreadCache(string Arena, int Slot, string Thread, long Blocks, ulong Bytes);

/// <param name="BudgetBytes">0 where there is none.</param>
/// <param name="LiveBytes">May be below 0 where blocks were freed under another tag than they were allocated under.</param>
public sealed record ProfileTag(string Name, ulong BudgetBytes, long LiveBytes, long PeakBytes, long Allocations, long Frees);

/// <summary>The last frames, column by column; all columns are of one length.</summary>
public sealed record ProfileFrames
{
    /// <summary>How many there were in all; the columns hold the last of them.</summary>
    public long Count { get; init; }

    /// <summary>The number of the first frame in the columns.</summary>
    public long First { get; init; }

    public IReadOnlyList<long> Starts { get; init; } = [];

    public IReadOnlyList<long> Nanoseconds { get; init; } = [];

    public IReadOnlyList<long> Allocations { get; init; } = [];

    public IReadOnlyList<long> AllocatedBytes { get; init; } = [];

    public IReadOnlyList<long> PageFaults { get; init; } = [];

    public IReadOnlyList<long> Overflows { get; init; } = [];

    public IReadOnlyList<long> ManagedBytes { get; init; } = [];

    public IReadOnlyList<long> Collections { get; init; } = [];

    /// <summary>Percentiles of all frames' times: 50, 90, 99, 99.9 and the longest.</summary>
    public ProfilePercentiles Percentiles { get; init; } = new(0, 0, 0, 0, 0);

    /// <summary>How many of all frames took from <see cref="ProfileBucket.FromNanoseconds"/> on, up to the next bucket.</summary>
    public IReadOnlyList<ProfileBucket> Histogram { get; init; } = [];
}

public sealed record ProfilePercentiles(long P50, long P90, long P99, long P999, long Maximum);

public sealed record ProfileBucket(long FromNanoseconds, long Count);

public sealed record ProfileHitch(long Frame, long Nanoseconds, string Reason);

/// <summary>Named series over common times.</summary>
public sealed record ProfileSeries
{
    public IReadOnlyList<long> Times { get; init; } = [];

    public IReadOnlyList<ProfileCurve> Arenas { get; init; } = [];

    public IReadOnlyList<ProfileCurve> Tags { get; init; } = [];
}

public sealed record ProfileCurve(string Name, IReadOnlyList<long> Values);

/// <summary>Page faults by owner.</summary>
public sealed record ProfileFaults
{
    /// <summary>Empty where faults are attributed; else why they are only counted, or not even that.</summary>
    public string Unavailable { get; init; } = "nobody asked for it";

    /// <summary>The kernel's own count for the observed threads in the same time.</summary>
    public long KernelCount { get; init; }

    public IReadOnlyList<ProfileFaultOwner> Owners { get; init; } = [];

    /// <summary>The same by frame; frames without faults are left out.</summary>
    public IReadOnlyList<ProfileFrameFaults> Frames { get; init; } = [];
}

/// <param name="Kind">For example "SuperSlab payload", "allocator metadata", "GC heap", "thread stack", "library".</param>
/// <param name="Name">Arena and class, library's name, thread's name.</param>
/// <param name="CallSite">Where the first of them happened; empty where that is not known.</param>
public sealed record ProfileFaultOwner(string Kind, string Name, long Count, string CallSite);

public sealed record ProfileFrameFaults(long Frame, string Kind, string Name, long Count);

/// <param name="Track">Where it is drawn: a thread, "loads", "SuperSlabs".</param>
/// <param name="Nanoseconds">0 for a moment.</param>
public sealed record ProfileEvent(string Track, string Name, long Start, long Nanoseconds);

/// <param name="PlannedBytes">What the plan made ready.</param>
/// <param name="UsedBytes">The most that was in use.</param>
/// <param name="SuggestedPlan">A plan that fits what was used, as the text of a plan file; empty where there is none.</param>
public sealed record ProfilePlan(string Scene, ulong PlannedBytes, ulong UsedBytes, string SuggestedPlan);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = false)]
[JsonSerializable(typeof(ProfileDocument))]
internal sealed partial class ProfileJson : JsonSerializerContext;

/// <summary>A snapshot as the rows of a document: names instead of numbers, in managed memory.</summary>
internal static class ProfileLayers
{
    private const string NoTag = "(no tag)";

    /// <summary>Takes a snapshot and makes a document of it, without frames, and without what only the application knows.</summary>
    public static ProfileDocument Read(EngineMemory memory, ReadOnlySpan<long> tagPeaks)
    {
        MemorySnapshot snapshot = new SnapshotRoom().Take(memory, asksSystem: true);
        Dictionary<int, string> arenas = [];
        HashSet<int> frames = [];
        foreach (ref readonly SnapshotArena arena in snapshot.Arenas)
        {
            arenas[arena.Number] = arena.Name.ToString();
            if (arena.IsFrame)
                frames.Add(arena.Number);
        }

        SnapshotTotals totals = snapshot.Totals;
        return new ProfileDocument
        {
            Application = "",
            Machine = Machine(),
            Began = default,
            Nanoseconds = 0,
            HasCounters = CounterSwitch.IsOn,
            Reservation = new ProfileReservation(
                (ulong)totals.Base, totals.MappedBytes, totals.ResidentBytes, totals.OwnedSuperSlabs, totals.ReadySuperSlabs, totals.MetadataBytes, totals.OsCalls, totals.PrefaultNanoseconds),
            Policies = [.. memory.Prefaulter.Steps().Select(step => new ProfilePolicy(step.Name, step.Outcome, step.Reason))],
            Arenas = Map(snapshot.Arenas, arena => new ProfileArena(
                arena.Name.ToString(), arena.IsFrame ? "frame" : "long-lived", arena.SuperSlabs, arena.LiveBytes, arena.CachedBytes, arena.PeakBytes, arena.SoftBudget, arena.HardBudget, arena.SoftOverruns, arena.HardOverruns)),
            SuperSlabs = Map(snapshot.SuperSlabs, superSlab => new ProfileSuperSlab(
                superSlab.Index, StateOf(superSlab.State), superSlab.Pages.ToString(), NameOf(arenas, superSlab.Arena), superSlab.UsedBytes, SlabsOf(superSlab, frames))),
            Classes = Map(snapshot.Classes, row => new ProfileClass(NameOf(arenas, row.Arena), row.BlockBytes, row.Live, row.Free, row.Cached, row.WasteBytes)),
            Lanes = Map(snapshot.Lanes, lane => new ProfileLane(NameOf(arenas, lane.Arena), lane.Lane, lane.CapacityBytes, lane.UsedBytes, lane.HighWaterBytes)),
            ThreadCaches = Map(snapshot.ThreadCaches, cache => new ProfileThreadCache(NameOf(arenas, cache.Arena), cache.Slot, ThreadOf(cache), cache.Blocks, cache.Bytes)),
            Tags = TagsOf(snapshot.Tags, tagPeaks),
        };
    }

    private static TResult[] Map<TRow, TResult>(ReadOnlySpan<TRow> rows, Func<TRow, TResult> map)
    {
        TResult[] results = new TResult[rows.Length];
        for (int row = 0; row < rows.Length; row++)
            results[row] = map(rows[row]);

        return results;
    }

    private static ProfileTag[] TagsOf(ReadOnlySpan<SnapshotTag> tags, ReadOnlySpan<long> peaks)
    {
        ProfileTag[] rows = new ProfileTag[tags.Length];
        for (int row = 0; row < tags.Length; row++)
        {
            SnapshotTag tag = tags[row];
            string name = tag.Number == 0 ? NoTag : tag.Name.ToString();
            rows[row] = new ProfileTag(name, tag.BudgetBytes, tag.LiveBytes, Math.Max(peaks[tag.Number], tag.LiveBytes), tag.Allocations, tag.Frees);
        }

        return rows;
    }

    /// <summary>A snapshot of running threads may have rows of an arena that is gone already.</summary>
    private static string NameOf(Dictionary<int, string> arenas, int number) => arenas.GetValueOrDefault(number, "");

    private static string StateOf(SnapshotState state) => state switch
    {
        SnapshotState.Ready => "ready",
        SnapshotState.Owned => "owned",
        SnapshotState.Extent => "extent",
        _ => "free",
    };

    private static ulong[] SlabsOf(SnapshotSuperSlab superSlab, HashSet<int> frames)
    {
        if (superSlab.State != SnapshotState.Owned || frames.Contains(superSlab.Arena))
            return [];

        ulong[] slabs = new ulong[SnapshotSuperSlab.SlabCount];
        for (int slab = 0; slab < slabs.Length; slab++)
            slabs[slab] = superSlab.BlockBytesOf(slab);

        return slabs;
    }

    private static string ThreadOf(SnapshotThreadCache cache)
    {
        string name = cache.Thread.ToString();
        name = name.Length != 0 ? name : string.Create(CultureInfo.InvariantCulture, $"thread {cache.ManagedThreadId}");
        return cache.HasEnded ? name + " (ended)" : name;
    }

    private static string Machine() => string.Create(
        CultureInfo.InvariantCulture,
        $"{RuntimeInformation.OSDescription}, {RuntimeInformation.ProcessArchitecture}, {Environment.ProcessorCount} processors, "
        + $"{RuntimeInformation.FrameworkDescription}, {(RuntimeFeature.IsDynamicCodeCompiled ? "JIT" : "compiled ahead of time")}");
}

/// <summary>What a scene's plan asked for beside what was used of it.</summary>
internal static class ProfilePlans
{
    public static ProfilePlan Of(Scene scene)
    {
        nuint used = 0;
        foreach (LongLivedArena arena in scene.Arenas)
        {
            foreach (BlockCount block in arena.PeakBlocks())
                used += block.Bytes * (nuint)block.Count;
        }

        if (scene.Plan.FrameArena is not null)
        {
            for (int lane = 0; lane < scene.FrameArena.LaneCount; lane++)
                used += scene.FrameArena.HighWaterBytes(lane) * (nuint)scene.FrameArena.BufferCount;
        }

        return new ProfilePlan(scene.Plan.Name, scene.Report.Bytes, used, SuggestedPlan(scene));
    }

    private static string SuggestedPlan(Scene scene)
    {
        SceneRecorder recorder = new();
        recorder.Add(scene);
        try
        {
            return recorder.Plan().ToJson();
        }
        catch (ScenePlanException)
        {
            // What was used does not fit the plan's own budget, so no plan with that budget can be suggested.
            return "";
        }
    }
}

/// <summary>What happened beside the frames: moments seen at the ends of frames, the last of them in a ring, and spans noted between frames. One thread.</summary>
internal sealed class ProfileMoments : IDisposable
{
    /// <summary>The track of SuperSlabs coming and going.</summary>
    public const string SuperSlabs = "SuperSlabs";

    private const int Capacity = 4096;

    private readonly NativeArray<Moment> _ring = new(Capacity);
    private readonly List<ProfileEvent> _spans = [];
    private long _count;

    /// <summary>Keeps a moment. Hot-loop safe.</summary>
    public void Add(long ticks, MomentKind kind, long subject, long value) =>
        _ring[(int)(_count++ % Capacity)] = new Moment { Ticks = ticks, Kind = kind, Subject = subject, Value = value };

    public void AddSpan(ProfileEvent span) => _spans.Add(span);

    public void Clear() => _count = 0;

    /// <summary>All of them by time.</summary>
    public IReadOnlyList<ProfileEvent> ToEvents(Func<long, long> nanosecondsOf)
    {
        List<ProfileEvent> events = [.. _spans];
        for (long moment = Math.Max(0, _count - Capacity); moment < _count; moment++)
        {
            Moment kept = _ring[(int)(moment % Capacity)];
            events.Add(new ProfileEvent(TrackOf(kept.Kind), TextOf(kept), nanosecondsOf(kept.Ticks), 0));
        }

        return [.. events.OrderBy(one => one.Start)];
    }

    public void Dispose() => _ring.Dispose();

    private static string TrackOf(MomentKind kind) => kind == MomentKind.SuperSlabs ? SuperSlabs : "tags";

    private static string TextOf(Moment moment) => moment.Kind == MomentKind.SuperSlabs
        ? string.Create(CultureInfo.InvariantCulture, $"{moment.Value:+0;-0;0}, {moment.Subject} owned")
        : $"'{AllocationTag.Of((int)moment.Subject)?.Name}' over its budget: {Sizes.Text((nuint)moment.Value)}";

    private struct Moment
    {
        public long Ticks;
        public MomentKind Kind;
        public long Subject;
        public long Value;
    }
}

/// <summary>What happened at a moment that is kept without managed memory.</summary>
internal enum MomentKind
{
    /// <summary>Arenas took or gave SuperSlabs: how many they own now, and how many more.</summary>
    SuperSlabs,

    /// <summary>A tag went beyond its budget for the first time: the tag, and its bytes.</summary>
    TagOverBudget,
}
