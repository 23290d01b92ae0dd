#pragma warning disable CS1591, CS1573 // The columns are documented where their names and units do not say everything.
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Engine.Profiling;

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
