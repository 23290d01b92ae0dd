// The command line, what it asks for, and the plan files that it names.
using System.CommandLine;
using System.Globalization;
using Samples.Common;
using SuperSlab;
using SuperSlab.Scenes;

namespace Samples.LevelStreaming;

internal sealed record StreamingOptions
{
    public required WalkOptions Walk { get; init; }

    /// <summary>Where recorded plans are written to; then nothing else is done.</summary>
    public required string? Record { get; init; }

    /// <summary>Where plans are read from; null records them first.</summary>
    public required string? Plans { get; init; }

    /// <summary>
    /// MiB that are loaded beside a running level, to tell what that costs its frames; then nothing else is done.
    /// </summary>
    public required int? Beside { get; init; }

    public required RowKind[] Rows { get; init; }
    public required string? Json { get; init; }

    /// <summary>Where a profile is written to; then one of the engine's rows is run.</summary>
    public required string? Profile { get; init; }

    /// <summary>Set in the measuring child processes: the one row to measure.</summary>
    public required RowKind? OnlyRow { get; init; }
}

/// <summary>The walk that all rows do.</summary>
/// <param name="Stay">What keeps the engine's pages where they are.</param>
internal readonly record struct WalkOptions(int Frames, uint Seed, StayPolicy Stay = StayPolicy.Automatic);

internal static class StreamingCommand
{
    private const string Purpose =
        """
        An open world, walked through: a ring of six levels with different plans, each prewarmed in the background two
        levels ahead and unloaded behind, while animals are born, eat, wander and die on two workers.

        The plans are recorded from a first walk unless they are given. Then the same walk is done by rows, each in a
        process of its own: "prewarmed" by the plans, "cold" without them, "gc" with garbage-collected objects. A
        rehearsal goes before each, in which code is compiled; after it every frame is held to zero page faults, OS
        calls, managed bytes and collections.

        Exit code 0: fine. 1: a prewarmed frame broke the rules, something was left in a level, or two rows did not do
        the same work. 2: wrong options or files.
        """;

    private static readonly Option<int> Frames =
        SampleOptions.New("--frames", "Frames of the walk.", "N", 3000).Within(1, 1_000_000);

    private static readonly Option<uint> Seed = SampleOptions.Seed(42u);

    private static readonly Option<string> Stay = SampleOptions.New(
        "--stay",
        "What keeps resident pages from being moved or taken back by the kernel: "
        + $"{string.Join(", ", EnumNames<StayPolicy>.All)}.",
        "POLICY",
        EnumNames<StayPolicy>.Of(StayPolicy.Automatic));

    private static readonly Option<string?> Record = SampleOptions.New<string?>(
        "--record", "Only walk once, and write the levels' plans there.", "DIR");

    private static readonly Option<string?> Plans = SampleOptions.New<string?>(
        "--plans", "Use the plans there instead of recording them first.", "DIR");

    private static readonly Option<bool> NoPrewarm = SampleOptions.New<bool>(
        "--no-prewarm", "Only the row without prewarming.");

    private static readonly Option<int?> Beside = SampleOptions.New<int?>(
        "--beside",
        "Only load so many MiB in the background again and again beside the frames of one level, and tell what that "
        + "costs them.",
        "MIB").Within(2, 16384, " MiB");

    private static readonly Option<string?> Row = SampleOptions.New<string?>(
        "--row", $"One row only: {string.Join(", ", EnumNames<RowKind>.All)}.", "NAME");

    private static readonly Option<string?> Profile = SampleOptions.Profile(
        "one row of the engine's, prewarmed unless --no-prewarm is said; no other row is run");

    public static RootCommand Create(Func<StreamingOptions, int> run)
    {
        Stay.AcceptOnlyFromAmong(EnumNames<StayPolicy>.All);
        Row.AcceptOnlyFromAmong(EnumNames<RowKind>.All);
        var command = new RootCommand(Purpose)
        {
            Frames, Seed, Stay, Record, Plans, Beside, NoPrewarm, Row, SampleOptions.Json, Profile,
            SampleOptions.CallSites, SampleOptions.OnlyRow,
        };
        command.Validators.Add(result =>
        {
            bool isOther = result.GetValue(Row) == "gc" || result.GetValue(Record) is not null
                || result.GetValue(Beside) is not null;
            if (result.GetValue(Profile) is not null && isOther)
            {
                result.AddError(
                    $"{Profile.Name} is for a walk in the engine's memory: not with {Row.Name} gc, {Record.Name} or "
                    + $"{Beside.Name}.");
            }
        });
        command.SetAction(parsed => run(Options(parsed)));
        return command;
    }

    /// <summary>The arguments by which this program measures one row in a child process.</summary>
    public static string[] RowArguments(StreamingOptions options, RowKind row, string plans) =>
    [
        .. WalkArguments(options), SampleOptions.OnlyRow.Name, EnumNames<RowKind>.Of(row), Plans.Name, plans,
        .. options.Profile is { } folder ? new[] { Profile.Name, folder } : [],
    ];

    /// <summary>The arguments by which this program records in a child process.</summary>
    public static string[] RecordArguments(StreamingOptions options, string plans) =>
        [.. WalkArguments(options), Record.Name, plans];

    private static string[] WalkArguments(StreamingOptions options) =>
    [
        Frames.Name, options.Walk.Frames.ToString(CultureInfo.InvariantCulture),
        Seed.Name, options.Walk.Seed.ToString(CultureInfo.InvariantCulture),
        Stay.Name, EnumNames<StayPolicy>.Of(options.Walk.Stay),
    ];

    private static StreamingOptions Options(ParseResult parsed)
    {
        RowKind? one = parsed.GetValue(NoPrewarm) ? RowKind.Cold
            : EnumNames<RowKind>.Find(parsed.GetValue(Row))
                ?? (parsed.GetValue(Profile) is null ? null : RowKind.Prewarmed);
        StayPolicy stay = EnumNames<StayPolicy>.Find(parsed.GetValue(Stay)) ?? StayPolicy.Automatic;
        return new StreamingOptions
        {
            Walk = new WalkOptions(parsed.GetValue(Frames), parsed.GetValue(Seed), stay),
            Record = parsed.GetValue(Record),
            Plans = parsed.GetValue(Plans),
            Beside = parsed.GetValue(Beside),
            Profile = parsed.GetValue(Profile),
            Rows = one is { } row ? [row] : Enum.GetValues<RowKind>(),
            Json = parsed.GetValue(SampleOptions.Json),
            OnlyRow = EnumNames<RowKind>.Find(parsed.GetValue(SampleOptions.OnlyRow)),
        };
    }
}

/// <summary>The levels' plans as files, one for each level of the ring.</summary>
internal static class PlanFiles
{
    /// <summary>Reads the plans of all levels.</summary>
    /// <exception cref="BadInputException">A file is missing or is no plan.</exception>
    public static ScenePlan[] Read(string folder)
    {
        ScenePlan[] plans = new ScenePlan[LevelSpec.Ring.Length];
        for (int ring = 0; ring < plans.Length; ring++)
        {
            string path = PathOf(folder, ring);
            try
            {
                plans[ring] = ScenePlan.Load(path);
            }
            catch (Exception error) when (error is IOException or UnauthorizedAccessException or ScenePlanException)
            {
                throw new BadInputException($"--plans: '{path}' could not be read: {error.Message}", error);
            }
        }

        return plans;
    }

    /// <summary>Writes a level's plan.</summary>
    /// <exception cref="BadInputException">The file cannot be written.</exception>
    public static void Write(string folder, int ring, ScenePlan plan)
    {
        try
        {
            Directory.CreateDirectory(folder);
            OutputFile.Write(PathOf(folder, ring), plan.ToJson());
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new BadInputException($"--record: no plan can be written to '{folder}': {error.Message}", error);
        }
    }

    private static string PathOf(string folder, int ring) => Path.Combine(folder, LevelSpec.Ring[ring].Name + ".json");
}
