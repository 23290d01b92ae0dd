using System.CommandLine;
using System.Globalization;
using Samples.Common;
using Samples.LevelStreaming.Rows;

namespace Samples.LevelStreaming;

/// <summary>The command line.</summary>
internal static class StreamingCommand
{
    private const string Purpose =
        """
        An open world, walked through: a ring of six levels with different plans, each prewarmed in the background two levels ahead
        and unloaded behind, while animals are born, eat, wander and die on two workers.

        The plans are recorded from a first walk unless they are given. Then the same walk is done by rows, each in a process of its
        own: "prewarmed" by the plans, "cold" without them, "gc" with garbage-collected objects. A rehearsal goes before each, in
        which code is compiled; after it every frame is held to zero page faults, OS calls, managed bytes and collections.

        Exit code 0: fine. 1: a prewarmed frame broke the rules, something was left in a level, or two rows did not do the same
        work. 2: wrong options or files.
        """;

    private static readonly Option<int> Frames = new("--frames") { Description = "Frames of the walk.", HelpName = "N", DefaultValueFactory = _ => 3000 };

    private static readonly Option<uint> Seed = new("--seed") { Description = "Where the random numbers begin.", HelpName = "N", DefaultValueFactory = _ => 42 };

    private static readonly Option<string?> Record = new("--record") { Description = "Only walk once, and write the levels' plans there.", HelpName = "DIR" };

    private static readonly Option<string?> Plans = new("--plans") { Description = "Use the plans there instead of recording them first.", HelpName = "DIR" };

    private static readonly Option<bool> NoPrewarm = new("--no-prewarm") { Description = "Only the row without prewarming." };

    private static readonly Option<int?> Beside = new("--beside")
    {
        Description = "Only load so many MiB in the background again and again beside the frames of one level, and tell what that costs them.",
        HelpName = "MIB",
    };

    private static readonly Option<string?> Row = new("--row") { Description = "One row only: prewarmed, cold or gc.", HelpName = "NAME" };

    private static readonly Option<string?> Json = new("--json")
    {
        Description = "Write the results as JSON to a file, or with '-' to standard output in place of the table.",
        HelpName = "PATH|-",
    };

    private static readonly Option<string?> Profile = SampleProfile.Option(
        "one row of the engine's, prewarmed unless --no-prewarm is said; no other row is run");

    private static readonly Option<bool> Measure = new("--measure") { Hidden = true };

    /// <summary>Makes the command.</summary>
    public static RootCommand Create(Func<StreamingOptions, int> run)
    {
        Row.AcceptOnlyFromAmong("prewarmed", "cold", "gc");
        Frames.Validators.Add(result =>
        {
            if (result.Tokens.Count == 1
                && long.TryParse(result.Tokens[0].Value, NumberStyles.Integer, CultureInfo.InvariantCulture, out long value)
                && value is < 1 or > 1_000_000)
            {
                result.AddError($"--frames takes 1 to 1000000, not {value}.");
            }
        });
        Beside.Validators.Add(result =>
        {
            if (result.Tokens.Count == 1 && int.TryParse(result.Tokens[0].Value, NumberStyles.Integer, CultureInfo.InvariantCulture, out int mib)
                && mib is < 2 or > 16384)
            {
                result.AddError($"--beside takes 2 to 16384 MiB, not {mib}.");
            }
        });
        var command = new RootCommand(Purpose) { Frames, Seed, Record, Plans, Beside, NoPrewarm, Row, Json, Profile, Measure };
        command.Validators.Add(result =>
        {
            if (result.GetValue(Profile) is not null && (result.GetValue(Row) == "gc" || result.GetValue(Record) is not null || result.GetValue(Beside) is not null))
            {
                result.AddError($"{Profile.Name} is for a walk in the engine's memory: not with {Row.Name} gc, {Record.Name} or {Beside.Name}.");
            }
        });
        command.SetAction(parsed => run(Options(parsed)));
        return command;
    }

    /// <summary>The arguments by which this program measures one row in a child process.</summary>
    public static string[] RowArguments(StreamingOptions options, RowKind row, string plans) =>
        [.. WalkArguments(options), Row.Name, NameOf(row), Plans.Name, plans, Measure.Name, .. options.Profile is { } folder ? new[] { Profile.Name, folder } : []];

    /// <summary>The arguments by which this program records in a child process.</summary>
    public static string[] RecordArguments(StreamingOptions options, string plans) => [.. WalkArguments(options), Record.Name, plans];

    /// <summary>A row's name on the command line and in the results.</summary>
    public static string NameOf(RowKind row) => row switch
    {
        RowKind.Prewarmed => "prewarmed",
        RowKind.Cold => "cold",
        _ => "gc",
    };

    private static string[] WalkArguments(StreamingOptions options) =>
    [
        Frames.Name, options.Walk.Frames.ToString(CultureInfo.InvariantCulture),
        Seed.Name, options.Walk.Seed.ToString(CultureInfo.InvariantCulture),
    ];

    private static StreamingOptions Options(ParseResult parsed)
    {
        RowKind? one = parsed.GetValue(NoPrewarm) ? RowKind.Cold : parsed.GetValue(Row) switch
        {
            "prewarmed" => RowKind.Prewarmed,
            "cold" => RowKind.Cold,
            "gc" => RowKind.Gc,
            _ => null,
        };
        return new StreamingOptions
        {
            Walk = new WalkOptions(parsed.GetValue(Frames), parsed.GetValue(Seed)),
            Record = parsed.GetValue(Record),
            Plans = parsed.GetValue(Plans),
            Beside = parsed.GetValue(Beside),
            Profile = parsed.GetValue(Profile),
            Rows = one is { } row ? [row] : parsed.GetValue(Profile) is not null ? [RowKind.Prewarmed] : [RowKind.Prewarmed, RowKind.Cold, RowKind.Gc],
            Json = parsed.GetValue(Json),
            OnlyRow = parsed.GetValue(Measure) ? one : null,
        };
    }
}
