// The command line, and what it asks for.
using System.CommandLine;
using System.Globalization;
using Samples.Common;
using Samples.Game.Playing;
using Samples.Game.Showing;

namespace Samples.Game;

internal sealed record GameOptions
{
    /// <summary>Frames that are played without a player; 0 is until the window is closed.</summary>
    public required int Unattended { get; init; }

    public required bool IsHeadless { get; init; }

    public required uint Seed { get; init; }

    public required MemoryKind Memory { get; init; }

    /// <summary>The one level that is played, null is all by turns.</summary>
    public required LevelKind? Level { get; init; }

    /// <summary>Frames of a visit to a level.</summary>
    public required int LevelFrames { get; init; }

    /// <summary>The file of saved games; null keeps them in memory.</summary>
    public required string? Save { get; init; }

    /// <summary>Where recorded plans are written to; then nothing else is done.</summary>
    public required string? RecordPlans { get; init; }

    public required bool Compares { get; init; }

    /// <summary>Where the picture of a comparison is written to.</summary>
    public required string? Picture { get; init; }

    public required string? Json { get; init; }

    /// <summary>Whether the result has each frame's time.</summary>
    public required bool KeepsTimes { get; init; }

    /// <summary>Where the last picture is written to.</summary>
    public required string? Screenshot { get; init; }

    public required bool ShowsOverlay { get; init; }

    /// <summary>Whose functions draw in a window.</summary>
    public required GraphicsApi Graphics { get; init; }

    /// <summary>The folder where pictures of frames are written to.</summary>
    public required string? Record { get; init; }

    /// <summary>The first frame that is recorded, from 1.</summary>
    public required int RecordFrom { get; init; }

    /// <summary>How many frames are recorded.</summary>
    public required int RecordFrames { get; init; }

    public bool IsUnattended => Unattended > 0;

    /// <summary>Whether a frame, counted from 1, is written as a picture.</summary>
    public bool Records(int frame) => Record is not null && frame >= RecordFrom && frame < RecordFrom + RecordFrames;
}

internal static class GameCommand
{
    private const string Purpose =
        """
        A small game of real parts on the engine: towers by a physics library, a swarm of 20,000 agents, a city that
        breaks; rules in Lua, saved games in SQLite, levels streamed in the background, each library on an arena.

        With --unattended it plays by itself and tells what its frames did. Exit code 0: PASS. 1: a frame broke the
        rules of the scene plans, something was left behind, or something is missing. 2: wrong options or files.
        """;

    private static readonly Option<int> Unattended = SampleOptions.New(
        "--unattended", "Play so many frames without a player, each with one step, as fast as they go.", "N", 0)
        .Within(0, 1_000_000);

    private static readonly Option<bool> Headless = SampleOptions.New<bool>(
        "--headless", "No window; needs --unattended.");

    private static readonly Option<uint> Seed = SampleOptions.Seed(42u);

    private static readonly Option<string> Memory = SampleOptions.New(
        "--memory",
        "Where the game's memory is: engine (prewarmed by plans), cold (in the engine, without plans), gc (managed "
        + "objects, libraries on malloc).",
        "KIND",
        EnumNames<MemoryKind>.Of(MemoryKind.Engine));

    private static readonly Option<string?> Level = SampleOptions.New<string?>(
        "--level", $"One level only: {string.Join(", ", EnumNames<LevelKind>.All)}.", "NAME");

    private static readonly Option<int> LevelFrames = SampleOptions.New(
        "--level-frames", "Frames of a visit to a level.", "N", 400).Within(10, 1_000_000);

    private static readonly Option<string?> Save = SampleOptions.New<string?>(
        "--save", "The file of saved games; without it they are kept in memory.", "PATH");

    private static readonly Option<string?> RecordPlans = SampleOptions.New<string?>(
        "--record-plans",
        "Play without plans, and write the plans that the scenes should have had; with --vulkan in a window, whose "
        + "plans are written too.",
        "DIR");

    private static readonly Option<bool> Compare = SampleOptions.New<bool>(
        "--compare", "Play the same game with each kind of memory, and print them side by side.");

    private static readonly Option<string?> Picture = SampleOptions.New<string?>(
        "--picture", "With --compare: write the three curves of frame times as PNG.", "PATH");

    private static readonly Option<string?> Screenshot = SampleOptions.New<string?>(
        "--screenshot", "Write the last frame of a window as PNG.", "PATH");

    private static readonly Option<bool> Overlay = SampleOptions.New<bool>(
        "--overlay", "Begin with the overlay, which F1 shows and hides.");

    private static readonly Option<bool> Vulkan = SampleOptions.New<bool>(
        "--vulkan", "Draw in the window with Vulkan, not with OpenGL.");

    private static readonly Option<string?> Record = SampleOptions.New<string?>(
        "--record", "Write frames of a window as PNG: frame-00001.png and so on.", "DIR");

    private static readonly Option<int> RecordFrom = SampleOptions.New(
        "--record-from", "With --record: the first frame that is written.", "N", 1).Within(1, 1_000_000);

    private static readonly Option<int> RecordFrames = SampleOptions.New(
        "--record-frames", "With --record: how many frames are written.", "N", 60).Within(1, 10_000);

    private static readonly Option<bool> Times = new("--times") { Hidden = true };

    public static RootCommand Create(Func<GameOptions, int> run)
    {
        Memory.AcceptOnlyFromAmong(EnumNames<MemoryKind>.All);
        Level.AcceptOnlyFromAmong(EnumNames<LevelKind>.All);
        RootCommand command = new(Purpose)
        {
            Unattended, Headless, Seed, Memory, Level, LevelFrames, Save, RecordPlans, Compare, Picture,
            SampleOptions.Json, Screenshot, Overlay, Vulkan, Record, RecordFrom, RecordFrames, Times,
        };
        command.Validators.Add(result =>
        {
            bool needsFrames = result.GetValue(Headless) || result.GetValue(Compare)
                || result.GetValue(RecordPlans) is not null || result.GetValue(SampleOptions.Json) is not null;
            if (needsFrames && result.GetValue(Unattended) == 0)
                result.AddError($"Without a player it must be known how long to play: add {Unattended.Name} N.");
            if (result.GetValue(Picture) is not null && !result.GetValue(Compare))
                result.AddError($"{Picture.Name} is drawn of a comparison: add {Compare.Name}.");
        });
        command.Validators.Add(result =>
        {
            string? alone = result.GetValue(Headless) ? Headless.Name : result.GetValue(Compare) ? Compare.Name : null;
            Option[] needWindow = [Screenshot, Overlay, Vulkan, Record];
            if (alone is not null && Array.Find(needWindow, option => result.GetResult(option) is { Implicit: false })
                is { } needed)
                result.AddError($"{alone} plays without a window: not with {needed.Name}.");
        });
        command.SetAction(parsed => run(Options(parsed)));
        return command;
    }

    /// <summary>The arguments by which this program plays with one kind of memory in a child process.</summary>
    public static string[] Arguments(GameOptions options, MemoryKind memory) =>
    [
        Headless.Name, Times.Name, SampleOptions.Json.Name, "-",
        Unattended.Name, options.Unattended.ToString(CultureInfo.InvariantCulture),
        Seed.Name, options.Seed.ToString(CultureInfo.InvariantCulture),
        LevelFrames.Name, options.LevelFrames.ToString(CultureInfo.InvariantCulture),
        Memory.Name, EnumNames<MemoryKind>.Of(memory),
        .. options.Level is { } level ? new[] { Level.Name, EnumNames<LevelKind>.Of(level) } : [],
    ];

    /// <exception cref="BadInputException">Frames are to be recorded that are not played.</exception>
    public static void CheckRecord(GameOptions options)
    {
        int last = options.RecordFrom + options.RecordFrames - 1;
        if (last > options.Unattended)
        {
            throw new BadInputException(
                $"{Record.Name} writes frames up to {last}: add {Unattended.Name} {last} or more.");
        }

        OutputFile.CheckFolder(Record.Name, options.Record!);
    }

    private static GameOptions Options(ParseResult parsed) => new()
    {
        Unattended = parsed.GetValue(Unattended),
        IsHeadless = parsed.GetValue(Headless)
            || (parsed.GetValue(RecordPlans) is not null && !parsed.GetValue(Vulkan)),
        Seed = parsed.GetValue(Seed),
        Memory = parsed.GetValue(RecordPlans) is not null ? MemoryKind.Cold
            : EnumNames<MemoryKind>.Find(parsed.GetValue(Memory)) ?? MemoryKind.Engine,
        Level = EnumNames<LevelKind>.Find(parsed.GetValue(Level)),
        LevelFrames = parsed.GetValue(LevelFrames),
        Save = parsed.GetValue(Save),
        RecordPlans = parsed.GetValue(RecordPlans),
        Compares = parsed.GetValue(Compare),
        Picture = parsed.GetValue(Picture),
        Json = parsed.GetValue(SampleOptions.Json),
        Screenshot = parsed.GetValue(Screenshot),
        ShowsOverlay = parsed.GetValue(Overlay),
        Graphics = parsed.GetValue(Vulkan) ? GraphicsApi.Vulkan : GraphicsApi.OpenGL,
        Record = parsed.GetValue(Record),
        RecordFrom = parsed.GetValue(RecordFrom),
        RecordFrames = parsed.GetValue(RecordFrames),
        KeepsTimes = parsed.GetValue(Times),
    };
}
