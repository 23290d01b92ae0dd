// The command line, what it asks for, and the plan files that it names.
using System.CommandLine;
using System.CommandLine.Parsing;
using Samples.Common;
using Samples.GameReplay.Playing;
using Samples.GameReplay.Rows;
using Samples.GameReplay.Tracing;
using SuperSlab.Scenes;

namespace Samples.GameReplay;

internal sealed record ReplayOptions
{
    public required string Trace { get; init; }
    public required AllocatorKind? Allocator { get; init; }
    public required bool Cold { get; init; }
    public required bool Verify { get; init; }
    public required TouchMode Touch { get; init; }
    public required int Repeat { get; init; }

    /// <summary>Whether the owner of each page fault is named.</summary>
    public bool Faults { get; init; }

    public required string? Json { get; init; }

    /// <summary>
    /// The scene plan that the prewarmed engine is loaded by; null takes the one that the first pass makes.
    /// </summary>
    public required string? Plan { get; init; }

    /// <summary>Where a recorded scene plan is written to; then nothing but recording is done.</summary>
    public required string? RecordPlan { get; init; }

    /// <summary>Where a profile is written to; then only the engine's row is replayed, once.</summary>
    public required string? Profile { get; init; }

    /// <summary>Set in the measuring child processes: the one row to measure.</summary>
    public required RowSpec? OnlyRow { get; init; }

    /// <summary>What is really done with the blocks: verifying has a way of its own.</summary>
    public TouchMode EffectiveTouch => Verify ? TouchMode.Verify : Touch;
}

internal static class ReplayCommand
{
    private const string Purpose =
        """
        Replays the memory allocations that a real game made, frame by frame and with the game's own threads, on the
        engine's memory system, on malloc and on the garbage collector, and prints what each cost within the frames.

        Each row is measured in a process of its own. The frame time is the time spent in the replayed work, summed over
        the threads, without their waits for each other. The peak of resident memory is the process's own peak less what
        was resident right before the allocator was made, so it has neither the trace reader nor the runtime in it. What
        happens before the first frame is replayed but not measured.

        The prewarmed engine is loaded by a scene plan, which the first pass makes from all that the trace could need,
        or which was recorded from a replay (--record-plan) and is used again (--plan).

        Exit code 0: fine. 1: the prewarmed engine had a page fault in its memory, an OS call, a managed byte or a
        collection in the frames, a given plan prewarmed too much that was never used (more than a tenth and two
        SuperSlabs of each arena), a verification failed, or a run could not be finished. 2: wrong options, a malformed
        trace, or a file that is no plan.
        """;

    private const int RecordedRepeats = 7;

    private static readonly Option<string> Trace = SampleOptions.New(
        "--trace",
        $"The trace: a file, or one that is built in ({string.Join(", ", TraceFile.EmbeddedNames())}).",
        "PATH",
        TraceFile.DefaultName);

    private static readonly Option<string?> Allocator =
        SampleOptions.Allocator(AllocatorKind.Engine, AllocatorKind.Malloc, AllocatorKind.Gc);

    private static readonly Option<bool> Cold = SampleOptions.New<bool>(
        "--cold", "Leave out the prewarmed engine; with --allocator engine, run it without prewarming.");

    private static readonly Option<bool> Verify = SampleOptions.New<bool>(
        "--verify",
        "Fill every block with a pattern of its number and check it at resize, free and end. Takes the place of "
        + "--touch.");

    private static readonly Option<string> Touch = SampleOptions.New(
        "--touch",
        "What is written into blocks: first (the first 4 KiB at most, and the last byte), pages (a byte in each page) "
        + "or all.",
        "first|pages|all",
        EnumNames<TouchMode>.Of(TouchMode.First));

    private static readonly Option<string?> Plan = SampleOptions.New<string?>(
        "--plan",
        "Load the prewarmed engine by this scene plan, and tell how much of its prewarm was never used.",
        "PATH");

    private static readonly Option<string?> RecordPlan = SampleOptions.New<string?>(
        "--record-plan",
        "Only record: replay on the prewarmed engine, with and without a recorder by turns, write the worst case of "
        + "the recordings as a scene plan, and tell what recording cost.",
        "PATH");

    private static readonly Option<int?> Repeat = SampleOptions.Repeat(
        $"once, with --record-plan {RecordedRepeats} times");

    private static readonly Option<string?> Profile = SampleOptions.Profile(
        "the engine's frames, prewarmed unless --cold is said; no other row is replayed. With --repeat, replay "
        + "without profiling by turns, and tell what it costs, without and with the owners of page faults");

    public static RootCommand Create(Func<ReplayOptions, int> run)
    {
        Touch.AcceptOnlyFromAmong("first", "pages", "all");
        var command = new RootCommand(Purpose)
        {
            Trace, Allocator, Cold, Verify, Touch, Plan, RecordPlan, Repeat, SampleOptions.Faults, SampleOptions.Json,
            Profile, SampleOptions.CallSites, SampleOptions.OnlyRow,
        };
        command.Validators.Add(RefuseContradictions);
        command.SetAction(parsed => run(Options(parsed)));
        return command;
    }

    /// <summary>The arguments by which this program measures one row in a child process.</summary>
    public static string[] ChildArguments(ReplayOptions options, RowSpec row) =>
    [
        Trace.Name, options.Trace,
        Touch.Name, EnumNames<TouchMode>.Of(options.Touch),
        SampleOptions.OnlyRow.Name, $"{row.AllocatorName}:{row.State}",
        .. options.Plan is { } plan && row.IsPrewarmed ? [Plan.Name, plan] : Array.Empty<string>(),
        .. options.Verify ? [Verify.Name] : Array.Empty<string>(),
        .. (row.IsProfiled ? row.AttributesFaults : options.Faults) ? new[] { SampleOptions.Faults.Name } : [],
        .. row.IsProfiled && options.Profile is { } folder ? [Profile.Name, folder] : Array.Empty<string>(),
    ];

    private static void RefuseContradictions(CommandResult result)
    {
        bool hasPlan = result.GetResult(Plan) is not null;
        bool records = result.GetResult(RecordPlan) is not null;
        bool isOther = result.GetValue(Allocator) is "malloc" or "gc";
        string option = records ? RecordPlan.Name : Plan.Name;
        if (hasPlan && records)
        {
            result.AddError("--plan and --record-plan exclude each other: a plan is recorded without one.");
        }
        else if ((hasPlan || records) && isOther)
        {
            result.AddError($"{option} is for the engine, and --allocator leaves it out.");
        }
        else if (result.GetValue(Profile) is not null && (records || isOther))
        {
            result.AddError(
                $"{Profile.Name} is for one replay on the engine: not with {RecordPlan.Name}, and not with another "
                + $"allocator.");
        }
        else if ((hasPlan || records) && result.GetValue(Cold))
        {
            result.AddError($"{option} and --cold exclude each other.");
        }
    }

    private static ReplayOptions Options(ParseResult parsed) => new()
    {
        Trace = parsed.GetValue(Trace)!,
        Allocator = EnumNames<AllocatorKind>.Find(parsed.GetValue(Allocator)),
        Cold = parsed.GetValue(Cold),
        Verify = parsed.GetValue(Verify),
        Touch = EnumNames<TouchMode>.Find(parsed.GetValue(Touch)) ?? TouchMode.First,
        Repeat = parsed.GetValue(Repeat) ?? (parsed.GetValue(RecordPlan) is null ? 1 : RecordedRepeats),
        Faults = parsed.GetValue(SampleOptions.Faults),
        Json = parsed.GetValue(SampleOptions.Json),
        Plan = parsed.GetValue(Plan),
        Profile = parsed.GetValue(Profile),
        RecordPlan = parsed.GetValue(RecordPlan),
        OnlyRow = RowSpec.Parse(
            parsed.GetValue(SampleOptions.OnlyRow),
            isProfiled: parsed.GetValue(Profile) is not null,
            attributesFaults: parsed.GetValue(SampleOptions.Faults)),
    };
}

/// <summary>The scene plan of <c>--plan</c> and <c>--record-plan</c>.</summary>
internal static class PlanFile
{
    /// <summary>Reads a plan to replay by.</summary>
    /// <exception cref="BadInputException">The file cannot be read, is no plan, or has no arena to replay
    /// in.</exception>
    public static ScenePlan Read(string path)
    {
        ScenePlan plan;
        try
        {
            plan = ScenePlan.Load(path);
        }
        catch (Exception error) when (
            error is IOException or UnauthorizedAccessException or ArgumentException or ScenePlanException)
        {
            throw new BadInputException($"--plan: '{path}' could not be read: {error.Message}", error);
        }

        return plan.Arenas.Count != 0
            ? plan
            : throw new BadInputException($"--plan: '{path}' has no long-lived arena to replay in.");
    }

    public static void Write(string path, ScenePlan plan) => OutputFile.Write(path, plan.ToJson() + "\n");
}
