using System.CommandLine.Parsing;
using System.CommandLine;
using Samples.Common;
using Samples.GameReplay.Rows;
using Samples.GameReplay.Tracing;

namespace Samples.GameReplay;

/// <summary>The command line.</summary>
internal static class ReplayCommand
{
    private const string Purpose =
        """
        Replays the memory allocations that a real game made, frame by frame and with the game's own threads, on the engine's
        memory system, on malloc and on the garbage collector, and prints what each cost within the frames.

        Each row is measured in a process of its own. The frame time is the time spent in the replayed work, summed over the threads,
        without their waits for each other. The peak of resident memory is the process's own peak less what was resident right before the
        allocator was made, so it has neither the trace reader nor the runtime in it. What happens before the first frame is
        replayed but not measured.

        The prewarmed engine is loaded by a scene plan, which the first pass makes from all that the trace could need, or which was
        recorded from a replay (--record-plan) and is used again (--plan).

        Exit code 0: fine. 1: the prewarmed engine had a page fault in its memory, an OS call, a managed byte or a collection in
        the frames, a given plan prewarmed too much that was never used (more than a tenth and two SuperSlabs of each arena), a
        verification failed, or a run could not be finished. 2: wrong options, a malformed trace, or a file that is no plan.
        """;

    private const int RecordedRepeats = 7;
    private const string Prewarmed = "prewarmed";
    private const string Recorded = "recorded";

    private static readonly Option<string> Trace = new("--trace")
    {
        Description = $"The trace: a file, or one that is built in ({string.Join(", ", TraceFile.EmbeddedNames())}).",
        HelpName = "PATH",
        DefaultValueFactory = _ => TraceFile.DefaultName,
    };

    private static readonly Option<string?> Allocator = new("--allocator")
    {
        Description = "Replay on one allocator only: engine, malloc or gc.",
        HelpName = "NAME",
    };

    private static readonly Option<bool> Cold = new("--cold")
    {
        Description = "Leave out the prewarmed engine; with --allocator engine, run it without prewarming.",
    };

    private static readonly Option<bool> Verify = new("--verify")
    {
        Description = "Fill every block with a pattern of its number and check it at resize, free and end. Takes the place of --touch.",
    };

    private static readonly Option<string> Touch = new("--touch")
    {
        Description = "What is written into blocks: first (the first 4 KiB at most, and the last byte), pages (a byte in each page) or all.",
        HelpName = "first|pages|all",
        DefaultValueFactory = _ => "first",
    };

    private static readonly Option<string?> Plan = new("--plan")
    {
        Description = "Load the prewarmed engine by this scene plan, and tell how much of its prewarm was never used.",
        HelpName = "PATH",
    };

    private static readonly Option<string?> RecordPlan = new("--record-plan")
    {
        Description = "Only record: replay on the prewarmed engine, with and without a recorder by turns, write the worst case of the "
            + "recordings as a scene plan, and tell what recording cost.",
        HelpName = "PATH",
    };

    private static readonly Option<int?> Repeat = new("--repeat")
    {
        Description = "Measure each row so often, the rows by turns: 1 unless said, 7 with --record-plan. Times are medians; of faults, "
            + "calls, bytes and collections the most.",
        HelpName = "N",
    };

    private static readonly Option<bool> Faults = new("--faults")
    {
        Description = "Also name the owner of each page fault that the game's threads took in the first repeat. It costs the faulting thread time.",
    };

    private static readonly Option<string?> Json = new("--json")
    {
        Description = "Write the results as JSON to a file, or with '-' to standard output in place of the table.",
        HelpName = "PATH|-",
    };

    private static readonly Option<string?> Profile = SampleProfile.Option(
        "the engine's frames, prewarmed unless --cold is said; no other row is replayed. With --repeat, replay without profiling by turns, and tell what it costs, without and with the owners of page faults");

    private static readonly Option<string?> OnlyRow = new("--only-row") { Hidden = true };

    /// <summary>Makes the command.</summary>
    public static RootCommand Create(Func<ReplayOptions, int> run)
    {
        Allocator.Validators.Clear();
        Allocator.AcceptOnlyFromAmong("engine", "malloc", "gc");
        Touch.AcceptOnlyFromAmong("first", "pages", "all");
        Repeat.Validators.Add(result =>
        {
            if (result.Tokens.Count == 1 && int.TryParse(result.Tokens[0].Value, out int repeat) && repeat is < 1 or > 1000)
            {
                result.AddError($"--repeat takes 1 to 1000, not {repeat}.");
            }
        });
        var command = new RootCommand(Purpose) { Trace, Allocator, Cold, Verify, Touch, Plan, RecordPlan, Repeat, Faults, Json, Profile, OnlyRow };
        command.Validators.Add(RefuseContradictions);
        command.SetAction(parsed => run(Options(parsed)));
        return command;
    }

    /// <summary>The arguments by which this program measures one row in a child process.</summary>
    public static string[] ChildArguments(ReplayOptions options, RowSpec row) =>
    [
        Trace.Name, options.Trace,
        Touch.Name, TouchName(options.Touch),
        OnlyRow.Name, $"{row.AllocatorName}:{(row.IsRecorded ? Recorded : row.IsPrewarmed ? Prewarmed : "cold")}",
        .. options.Plan is { } plan && row.IsPrewarmed ? [Plan.Name, plan] : Array.Empty<string>(),
        .. options.Verify ? [Verify.Name] : Array.Empty<string>(),
        .. (row.IsProfiled ? row.AttributesFaults : options.Faults) ? [Faults.Name] : Array.Empty<string>(),
        .. row.IsProfiled && options.Profile is { } folder ? [Profile.Name, folder] : Array.Empty<string>(),
    ];

    private static void RefuseContradictions(CommandResult result)
    {
        bool hasPlan = result.GetResult(Plan) is not null;
        bool records = result.GetResult(RecordPlan) is not null;
        string option = records ? RecordPlan.Name : Plan.Name;
        if (hasPlan && records)
        {
            result.AddError("--plan and --record-plan exclude each other: a plan is recorded without one.");
        }
        else if ((hasPlan || records) && result.GetValue(Allocator) is "malloc" or "gc")
        {
            result.AddError($"{option} is for the engine, and --allocator leaves it out.");
        }
        else if (result.GetValue(Profile) is not null && (records || result.GetValue(Allocator) is "malloc" or "gc"))
        {
            result.AddError($"{Profile.Name} is for one replay on the engine: not with {RecordPlan.Name}, and not with another allocator.");
        }
        else if ((hasPlan || records) && result.GetValue(Cold))
        {
            result.AddError($"{option} and --cold exclude each other.");
        }
    }

    private static ReplayOptions Options(ParseResult parsed) => new()
    {
        Trace = parsed.GetValue(Trace)!,
        Allocator = AllocatorFrom(parsed.GetValue(Allocator)),
        Cold = parsed.GetValue(Cold),
        Verify = parsed.GetValue(Verify),
        Touch = TouchFrom(parsed.GetValue(Touch)!),
        Repeat = parsed.GetValue(Repeat) ?? (parsed.GetValue(RecordPlan) is null ? 1 : RecordedRepeats),
        Faults = parsed.GetValue(Faults),
        Json = parsed.GetValue(Json),
        Plan = parsed.GetValue(Plan),
        Profile = parsed.GetValue(Profile),
        RecordPlan = parsed.GetValue(RecordPlan),
        OnlyRow = RowFrom(parsed.GetValue(OnlyRow), parsed.GetValue(Profile) is not null, parsed.GetValue(Faults)),
    };

    private static AllocatorKind? AllocatorFrom(string? name) => name switch
    {
        "engine" => AllocatorKind.Engine,
        "malloc" => AllocatorKind.Malloc,
        "gc" => AllocatorKind.Gc,
        _ => null,
    };

    private static TouchMode TouchFrom(string name) => name switch
    {
        "pages" => TouchMode.Pages,
        "all" => TouchMode.All,
        _ => TouchMode.First,
    };

    private static string TouchName(TouchMode mode) => mode switch
    {
        TouchMode.Pages => "pages",
        TouchMode.All => "all",
        _ => "first",
    };

    private static RowSpec? RowFrom(string? text, bool isProfiled, bool attributesFaults)
    {
        if (text is null)
        {
            return null;
        }

        string[] parts = text.Split(':');
        return new RowSpec(AllocatorFrom(parts[0]) ?? AllocatorKind.Malloc, parts[^1] != "cold", parts[^1] == Recorded, isProfiled)
        {
            AttributesFaults = attributesFaults,
        };
    }
}
