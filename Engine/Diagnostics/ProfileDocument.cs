using System.Globalization;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text.Json;
using System.Text.Json.Serialization;
using SuperSlab.Scenes;

#pragma warning disable CS1591, CS1573 // Fields whose names and units say everything have no comment.
namespace SuperSlab.Diagnostics;

/// <summary>
/// All that one profiled run knows, as plain data: <see cref="Profiler"/> makes it; reports and tools read it.
/// </summary>
/// <remarks>
/// Times are nanoseconds since the profile began, sizes are bytes. The memory's rows are those of a
/// <see cref="MemorySnapshot"/>; <see cref="ProfileTable"/> has their columns. What a file lacks, the serializer sets
/// to null, which the accessors take for empty. Immutable; any thread.
/// </remarks>
public sealed record ProfileDocument
{
    internal const int CurrentVersion = 2;

    /// <summary>Grows when a field changes its meaning; profile.schema.json describes this one.</summary>
    public int Version { get; init; } = CurrentVersion;

    /// <summary>The program, with its arguments; see <see cref="CommandText"/>.</summary>
    public required string Application { get; init; }

    /// <summary>
    /// What a frame's time holds in this program, and where its own figures differ; empty where it says nothing.
    /// </summary>
    public string FrameMeaning { get; init => field = value ?? ""; } = "";

    /// <summary>System, processor count and runtime; JIT or compiled ahead of time.</summary>
    public required string Machine { get; init; }
    public required DateTimeOffset Began { get; init; }
    public required long Nanoseconds { get; init; }

    /// <summary>Whether allocations were counted; if not, there are no tags and frames have no allocations.</summary>
    public bool HasCounters { get; init; }
    public required MemoryTotals Totals { get; init; }

    /// <summary>The policies of the prefault chain in order, each with its outcome.</summary>
    public IReadOnlyList<Policy> Policies { get; init => field = ProfileVersions.Rows(value); } = [];
    public IReadOnlyList<ArenaRow> Arenas { get; init => field = ProfileVersions.Rows(value); } = [];

    /// <summary>
    /// The arenas that were disposed before, by name. After 256 names further ones share the name "(others)".
    /// </summary>
    public IReadOnlyList<DisposedArena> DisposedArenas { get; init => field = ProfileVersions.Rows(value); } = [];
    public IReadOnlyList<SuperSlabRow> SuperSlabs { get; init => field = ProfileVersions.Rows(value); } = [];
    public IReadOnlyList<SizeClassRow> Classes { get; init => field = ProfileVersions.Rows(value); } = [];
    public IReadOnlyList<LaneRow> Lanes { get; init => field = ProfileVersions.Rows(value); } = [];
    public IReadOnlyList<ThreadCacheRow> ThreadCaches { get; init => field = ProfileVersions.Rows(value); } = [];
    public IReadOnlyList<TagRow> Tags { get; init => field = ProfileVersions.Rows(value); } = [];

    /// <summary>The last frames, and statistics of all.</summary>
    public ProfileFrames Frames { get; init => field = value ?? new(); } = new();

    /// <summary>
    /// Of the frames kept those over the budget, and those that took much longer than their neighbours, with the reason
    /// if known; the longest 500.
    /// </summary>
    public IReadOnlyList<Hitch> Hitches { get; init => field = ProfileVersions.Rows(value); } = [];

    /// <summary>How many frames kept were hitches, listed or not.</summary>
    public long HitchCount { get; init; }

    /// <summary>
    /// Of the frames kept those that were no hitches but broke a rule, or in which SuperSlabs came or went; at most
    /// 500, broken rules first.
    /// </summary>
    public IReadOnlyList<Hitch> Notes { get; init => field = ProfileVersions.Rows(value); } = [];

    /// <summary>How many frames kept have something to note, listed or not.</summary>
    public long NoteCount { get; init; }
    public ProfileSeries Memory { get; init => field = value ?? new(); } = new();
    public ProfileFaults Faults { get; init => field = value ?? new(); } = new();
    public ProfileCallSites CallSites { get; init => field = value ?? new(); } = new();

    /// <summary>Spans beside the frames, such as loads, and moments at which SuperSlabs came or went.</summary>
    public IReadOnlyList<TrackEvent> Events { get; init => field = ProfileVersions.Rows(value); } = [];

    /// <summary>Earlier moments that found no room; spans are all kept.</summary>
    public long LostEventCount { get; init; }

    /// <summary>Each scene's plan beside what was used of it.</summary>
    public IReadOnlyList<PlanUse> Plans { get; init => field = ProfileVersions.Rows(value); } = [];

    /// <summary>
    /// A command as a profile shows it to others: the program without folder and ending, and of absolute paths among
    /// the arguments the last name only.
    /// </summary>
    /// <param name="command">As <see cref="Environment.GetCommandLineArgs"/> gives it, the program first.</param>
    public static string CommandText(IReadOnlyList<string> command)
    {
        ArgumentNullException.ThrowIfNull(command);
        if (command.Count == 0)
            return "";

        string program = Path.GetFileName(command[0]);
        bool hasEnding = program.EndsWith(".dll", StringComparison.OrdinalIgnoreCase)
            || program.EndsWith(".exe", StringComparison.OrdinalIgnoreCase);
        return string.Join(' ', command.Skip(1).Select(Shown).Prepend(hasEnding ? program[..^4] : program));

        static string Shown(string argument)
        {
            int value = argument.StartsWith('-') ? argument.IndexOf('=', StringComparison.Ordinal) + 1 : 0;
            string path = Path.TrimEndingDirectorySeparator(argument[value..]);
            string text = Path.IsPathRooted(path) ? argument[..value] + Path.GetFileName(path) : argument;
            return text.Contains(' ', StringComparison.Ordinal) ? $"\"{text}\"" : text;
        }
    }

    /// <summary>Reads a profile, of this version or an older one, which is brought to this version's shape.</summary>
    /// <exception cref="JsonException">The file holds no profile, or one of a newer version.</exception>
    public static ProfileDocument Read(string path)
    {
        using FileStream file = File.OpenRead(path);
        return Read(file);
    }

    /// <inheritdoc cref="Read(string)"/>
    public static ProfileDocument Read(Stream stream)
    {
        ArgumentNullException.ThrowIfNull(stream);
        using MemoryStream json = new();
        stream.CopyTo(json);
        ReadOnlySpan<byte> text = json.GetBuffer().AsSpan(0, (int)json.Length);
        int version = ProfileVersions.Of(text);
        if (version is < 1 or > CurrentVersion)
        {
            throw new JsonException(
                $"It is a profile of version {version}; this program reads versions 1 to {CurrentVersion}"
                + (version < 1 ? "." : ", and a newer one wrote it."));
        }

        try
        {
            return (version == CurrentVersion
                ? JsonSerializer.Deserialize(text, ProfileJson.Default.ProfileDocument)
                : ProfileVersions.FromFirst(text).Deserialize(ProfileJson.Default.ProfileDocument))
                ?? throw new JsonException("It holds no profile.");
        }
        catch (ArgumentException error)
        {
            throw new JsonException("It is no profile: " + error.Message, error);
        }
    }

    public void Write(string path)
    {
        using FileStream file = File.Create(path);
        Write(file);
    }

    /// <summary>Writes UTF-8 without line breaks, in which no character has a meaning in HTML.</summary>
    public void Write(Stream stream) => JsonSerializer.Serialize(stream, this, ProfileJson.Default.ProfileDocument);

    /// <summary>The name of an arena by its number; empty for 0 and for an arena that is gone.</summary>
    public string ArenaName(int number)
    {
        foreach (ArenaRow arena in Arenas)
        {
            if (arena.Number == number)
                return arena.Name.ToString();
        }

        return "";
    }

    /// <summary>A snapshot's totals, arenas and tags: what changes from second to second.</summary>
    internal static ProfileDocument OfState(MemorySnapshot snapshot) => new()
    {
        Application = "",
        Machine = "",
        Began = default,
        Nanoseconds = 0,
        HasCounters = CounterSwitch.IsOn,
        Totals = snapshot.Totals,
        Arenas = snapshot.Arenas.ToArray(),
        Tags = snapshot.Tags.ToArray(),
    };

    /// <summary>A profile without frames and without what only the application knows.</summary>
    internal static ProfileDocument OfMemory(EngineMemory memory)
    {
        byte[] room = [];
        MemorySnapshot snapshot = MemorySnapshot.Take(memory, ref room, asksSystem: true);
        return OfState(snapshot) with
        {
            Machine = MachineText(),
            Policies = [.. memory.Prefaulter.Steps().Select(step => new Policy(step.Name, step.Outcome, step.Reason))],
            DisposedArenas =
            [
                .. memory.Arenas.Disposed().Select(one =>
                    new DisposedArena(one.Name, one.IsFrame, one.Count, one.PeakBytes)),
            ],
            SuperSlabs = snapshot.SuperSlabs.ToArray(),
            Classes = snapshot.Classes.ToArray(),
            Lanes = snapshot.Lanes.ToArray(),
            ThreadCaches = snapshot.ThreadCaches.ToArray(),
        };
    }

    private static string MachineText() => string.Create(
        CultureInfo.InvariantCulture,
        $"{RuntimeInformation.OSDescription}, {RuntimeInformation.ProcessArchitecture}, "
        + $"{Environment.ProcessorCount} processors, {RuntimeInformation.FrameworkDescription}, "
        + $"{(RuntimeFeature.IsDynamicCodeCompiled ? "JIT" : "compiled ahead of time")}");

    /// <summary>Disposed arenas of one name and kind.</summary>
    /// <param name="Count">How many there were.</param>
    /// <param name="PeakBytes">Most SuperSlab bytes that one of them held.</param>
    public sealed record DisposedArena(string Name, bool IsFrame, long Count, long PeakBytes);

    /// <param name="Name">Pages and policy, for example "TransparentHuge pages by PopulateWrite".</param>
    /// <param name="Outcome">"in force", "left" or "not tried".</param>
    public sealed record Policy(string Name, string Outcome, string Reason);

    /// <param name="Reason">What it did that a frame should not, or how much more it did than its neighbours.</param>
    public sealed record Hitch(long Frame, long Nanoseconds, string Reason);

    /// <param name="Track">Where it is drawn: a thread, "loads", "SuperSlabs".</param>
    /// <param name="StartNanoseconds">When it began.</param>
    /// <param name="Nanoseconds">0 for a moment.</param>
    public sealed record TrackEvent(string Track, string Name, long StartNanoseconds, long Nanoseconds);

    /// <param name="PlannedBytes">SuperSlab bytes that the plan made ready.</param>
    /// <param name="UsedBytes">The blocks in use at their peaks, and what the frames used.</param>
    /// <param name="SuggestedPlan">A plan file's text that fits the use; empty where the budget allows none.</param>
    public sealed record PlanUse(string Scene, long PlannedBytes, long UsedBytes, string SuggestedPlan)
    {
        /// <summary>
        /// SuperSlab bytes that this use took: blocks of a size share slabs, and arenas and lanes take whole
        /// SuperSlabs. 0 in profiles of older versions.
        /// </summary>
        public long TakenBytes { get; init; }

        internal static PlanUse Of(Scene scene) =>
            new(scene.Plan.Name, (long)scene.Report.Bytes, Used(scene), Suggestion(scene))
            {
                TakenBytes = Taken(scene),
            };

        private static long Taken(Scene scene)
        {
            nuint taken = 0;
            foreach (LongLivedArena arena in scene.Arenas)
                taken += arena.PeakUsedBytes;

            if (scene.Plan.FrameArena is not null)
            {
                FrameArena frame = scene.FrameArena;
                nuint lane = 0;
                for (int index = 0; index < frame.LaneCount; index++)
                    lane = nuint.Max(lane, frame.HighWaterBytes(index));

                // Lanes have one size, as FrameArena divides its memory.
                nuint lanes = Sizes.AlignUp(lane, 4 * Sizes.KiB) * (nuint)(frame.LaneCount * frame.BufferCount);
                taken += Sizes.AlignUp(lanes, SlabGeometry.SuperSlabBytes);
            }

            return (long)taken;
        }

        private static long Used(Scene scene)
        {
            nuint used = 0;
            foreach (LongLivedArena arena in scene.Arenas)
            {
                foreach (BlockCount block in arena.PeakBlocks())
                    used += block.Bytes * (nuint)block.Count;
            }

            for (int lane = 0; scene.Plan.FrameArena is not null && lane < scene.FrameArena.LaneCount; lane++)
                used += scene.FrameArena.HighWaterBytes(lane) * (nuint)scene.FrameArena.BufferCount;

            return (long)used;
        }

        private static string Suggestion(Scene scene)
        {
            SceneRecorder recorder = new();
            recorder.Add(scene);
            try
            {
                return recorder.Plan().ToJson();
            }
            catch (ScenePlanException)
            {
                // The use exceeds the plan's own budget, which a suggestion keeps.
                return "";
            }
        }
    }
}

/// <summary>The last frames, column by column, and statistics of all frames.</summary>
public sealed record ProfileFrames
{
    /// <summary>Frames in all; the columns hold the last of them.</summary>
    public long Count { get; init; }

    /// <summary>Number of the first frame in the columns.</summary>
    public long First { get; init; }

    /// <summary>
    /// The columns by the names in <see cref="ProfileTable.Frames"/>, all of one length. What no frame counted has
    /// none.
    /// </summary>
    public IReadOnlyDictionary<string, long[]> Columns
    {
        get;
        init => field = value ?? new Dictionary<string, long[]>();
    } = new Dictionary<string, long[]>();

    /// <summary>
    /// What all frames did, also those before <see cref="First"/>, by column; empty in profiles of older versions.
    /// </summary>
    public IReadOnlyDictionary<string, Total> Totals
    {
        get;
        init => field = value ?? new Dictionary<string, Total>();
    } = new Dictionary<string, Total>();

    /// <summary>The time that a frame may take; 0 where no budget is set.</summary>
    public long BudgetNanoseconds { get; init; }

    /// <summary>How many of all frames took longer than the budget.</summary>
    public long OverBudgetCount { get; init; }

    /// <summary>Percentiles of all frames' times.</summary>
    public TimePercentiles Percentiles { get; init => field = value ?? new(0, 0, 0, 0, 0); } = new(0, 0, 0, 0, 0);

    /// <summary>All frames by time: each bucket ends where the next one begins.</summary>
    public IReadOnlyList<Bucket> Histogram { get; init => field = ProfileVersions.Rows(value); } = [];

    [JsonIgnore]
    public IReadOnlyList<long> Starts => this["start"];

    [JsonIgnore]
    public IReadOnlyList<long> Nanoseconds => this["nanoseconds"];

    /// <summary>A column by its name; empty where the profile lacks it.</summary>
    public IReadOnlyList<long> this[string column] => Columns.GetValueOrDefault(column, []);

    /// <summary>Times in nanoseconds that a share of the frames does not exceed.</summary>
    public sealed record TimePercentiles(long P50, long P90, long P99, long P999, long Maximum);

    /// <param name="Sum">Of the frames that counted it.</param>
    /// <param name="Frames">How many frames counted it; the others may have done anything.</param>
    public sealed record Total(long Sum, long Frames);

    /// <param name="FromNanoseconds">The shortest time in it.</param>
    public sealed record Bucket(long FromNanoseconds, long Count);
}

/// <summary>Bytes over time.</summary>
/// <remarks>
/// An arena's bytes are the blocks that callers hold, with those in thread caches while nothing is counted; in a frame
/// arena the frame's bytes. Arenas of one name share a curve.
/// </remarks>
public sealed record ProfileSeries
{
    /// <summary>The names of <see cref="Use"/>.</summary>
    internal static readonly string[] UseNames =
        ["live", "cached", "free in used slabs", "free slabs", "ready SuperSlabs", "tables"];

    public IReadOnlyList<long> Times { get; init => field = ProfileVersions.Rows(value); } = [];

    /// <summary>
    /// What the whole memory was used for, a curve for each part of <see cref="MemoryUse"/> in its order: they add up
    /// to what the engine held. Empty in profiles of older programs.
    /// </summary>
    public IReadOnlyList<Curve> Use { get; init => field = ProfileVersions.Rows(value); } = [];

    /// <summary>A curve for each name of arenas.</summary>
    public IReadOnlyList<Curve> Arenas { get; init => field = ProfileVersions.Rows(value); } = [];

    /// <summary>What was allocated under each tag since counting began; only rises.</summary>
    public IReadOnlyList<Curve> AllocatedByTag { get; init => field = ProfileVersions.Rows(value); } = [];

    /// <summary>One curve.</summary>
    public sealed record Curve(string Name, IReadOnlyList<long> Values);
}

/// <summary>Page faults of the observed threads by their owners, and by the frame that took them.</summary>
public sealed record ProfileFaults
{
    private const string NotSet = "no FaultAttribution is set";

    /// <summary>Empty where faults have owners; else why they are only counted, or not even that.</summary>
    public string Unavailable { get; init => field = value ?? NotSet; } = NotSet;

    /// <summary>The kernel's own count for the observed threads in the same time.</summary>
    public long KernelCount { get; init; }

    /// <summary>Faults that were counted but found no room in the ring, and have no owner.</summary>
    public long LostCount { get; init; }
    public IReadOnlyList<Owner> Owners { get; init => field = ProfileVersions.Rows(value); } = [];

    /// <summary>Faults by frame and owner; frames without faults are left out.</summary>
    public IReadOnlyList<OwnerInFrame> Frames { get; init => field = ProfileVersions.Rows(value); } = [];

    /// <param name="Kind">For example "SuperSlab payload", "allocator metadata", "GC heap", "native library".</param>
    /// <param name="Name">Arena and class, a library's name, a thread's name.</param>
    /// <param name="CallSite">Where the first of them happened; empty if unknown.</param>
    public sealed record Owner(string Kind, string Name, long Count, string CallSite);

    public sealed record OwnerInFrame(long Frame, string Kind, string Name, long Count);
}

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, UseStringEnumConverter = true, WriteIndented = false)]
[JsonSerializable(typeof(ProfileDocument))]
internal sealed partial class ProfileJson : JsonSerializerContext;
