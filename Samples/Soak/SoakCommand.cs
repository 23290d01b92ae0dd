// The command line and what it asks for.
using System.CommandLine;
using Samples.Common;

namespace Samples.Soak;

internal sealed record SoakOptions
{
    public required int Seconds { get; init; }
    public required int Seed { get; init; }
    public required string? Json { get; init; }

    /// <summary>Where a profile is written to, of the ticks as frames.</summary>
    public required string? Profile { get; init; }

    /// <summary>Sizes drift, and what is live stays over the floors.</summary>
    public bool Drifts { get; init; }

    /// <summary>A fault that is made on purpose, so that a test sees it found.</summary>
    public Sabotage Sabotage { get; init; }
}

/// <summary>
/// Faults that the soak makes itself when a test asks for it: a watchman that never barks may be asleep.
/// </summary>
internal enum Sabotage
{
    None,

    /// <summary>Memory of the process that nobody gives back.</summary>
    Growth,

    /// <summary>A byte of a live block is changed.</summary>
    Corruption,

    /// <summary>A block is forgotten instead of freed.</summary>
    Leak,
}

internal static class SoakCommand
{
    private const string Purpose =
        """
        A mixed load on the engine for a long time: threads that are born and die, blocks of all sizes and alignments
        that grow, shrink and change hands, frames, scenes that are loaded and unloaded in the background, and
        operating-system calls that fail at random. --seed is where the random numbers begin; how threads interleave is
        the machine's own choice.

        Ten seconds at a time it prints resident memory, page faults, fragmentation and how long its ticks took, and
        checks the contents of every live block and the engine's structures. Each minute everything is freed and the
        resident memory that is left is measured.

        With --drift sizes wander from small to large and back, twelve times in a run, in ticks of 16 ms. Each minute
        all but the world's 64 MiB of live blocks ends, most of those are replaced, the arenas are trimmed, and what
        the engine then holds for each live byte is printed, and of what.

        Exit code 0: fine. 1: what is left grew, contents changed, a structure was damaged, an error came that was not
        injected, or blocks were left at the end. 2: wrong options.
        """;

    private static readonly Option<int> Minutes =
        SampleOptions.New("--minutes", "How long it runs. Ctrl+C ends it early, as if the time were up.", "N", 1).Within(1, 10_000);

    private static readonly Option<int?> Seconds = SampleOptions.New<int?>(
        "--seconds",
        "The same in seconds, instead of --minutes. Below two minutes everything is measured more often, and the run "
        + "goes on until resident memory was measured four times.",
        "N").Within(3, 600_000);

    private static readonly Option<int> Seed = SampleOptions.Seed(42);

    private static readonly Option<string?> Profile = SampleOptions.Profile("the run, its ticks as frames");

    private static readonly Option<bool> Drift = SampleOptions.New<bool>(
        "--drift", "Sizes drift, and live blocks stay when the rest is freed.");

    private static readonly Option<Sabotage> Sabotage = new("--sabotage") { Hidden = true };

    public static RootCommand Create(Func<SoakOptions, int> run)
    {
        RootCommand command = new(Purpose)
        {
            Minutes, Seconds, Seed, Drift, SampleOptions.Json, Profile, SampleOptions.CallSites, Sabotage,
        };
        command.SetAction(parsed => run(new SoakOptions
        {
            Seconds = parsed.GetValue(Seconds) ?? 60 * parsed.GetValue(Minutes),
            Seed = parsed.GetValue(Seed),
            Json = parsed.GetValue(SampleOptions.Json),
            Profile = parsed.GetValue(Profile),
            Drifts = parsed.GetValue(Drift),
            Sabotage = parsed.GetValue(Sabotage),
        }));
        return command;
    }
}
