using System.CommandLine;
using Samples.Common;

namespace Samples.Soak;

/// <summary>The command line.</summary>
internal static class SoakCommand
{
    private const string Purpose =
        """
        A mixed load on the engine for a long time: threads that are born and die, blocks of all sizes and alignments that grow, shrink and
        change hands, frames, scenes that are loaded and unloaded in the background, and operating-system calls that fail at random.

        Ten seconds at a time it prints resident memory, page faults, fragmentation and how long its ticks took, and checks the
        contents of every live block and the engine's structures. Each minute everything is freed and the resident memory that is left
        is measured.

        Exit code 0: fine. 1: what is left grew, contents changed, a structure was damaged, an error came that was not injected, or
        blocks were left at the end. 2: wrong options.
        """;

    private static readonly Option<int> Minutes = new("--minutes")
    {
        Description = "How long it runs. Default 60.",
        HelpName = "N",
        DefaultValueFactory = _ => 60,
    };

    private static readonly Option<int?> Seconds = new("--seconds")
    {
        Description = "The same in seconds, instead of --minutes. Below two minutes everything is measured more often.",
        HelpName = "N",
    };

    private static readonly Option<int> Seed = new("--seed")
    {
        Description = "Where the random numbers begin. How threads interleave is the machine's own choice.",
        HelpName = "N",
        DefaultValueFactory = _ => 42,
    };

    private static readonly Option<string?> Json = new("--json")
    {
        Description = "Write the results as JSON to a file, or with '-' to standard output in place of the table.",
        HelpName = "PATH|-",
    };

    private static readonly Option<string?> Profile = SampleProfile.Option("the run, its ticks as frames");

    private static readonly Option<Sabotage> Sabotage = new("--sabotage") { Hidden = true };

    /// <summary>Makes the command.</summary>
    public static RootCommand Create(Func<SoakOptions, int> run)
    {
        Minutes.Validators.Add(result => Limit(result, 1, 10_000));
        Seconds.Validators.Add(result => Limit(result, 3, 600_000));
        RootCommand command = new(Purpose) { Minutes, Seconds, Seed, Json, Profile, Sabotage };
        command.SetAction(parsed => run(new SoakOptions
        {
            Seconds = parsed.GetValue(Seconds) ?? 60 * parsed.GetValue(Minutes),
            Seed = parsed.GetValue(Seed),
            Json = parsed.GetValue(Json),
            Profile = parsed.GetValue(Profile),
            Sabotage = parsed.GetValue(Sabotage),
        }));
        return command;
    }

    private static void Limit(System.CommandLine.Parsing.OptionResult result, int least, int most)
    {
        // What is no number at all is refused by the parser itself.
        if (result.Tokens.Count == 1 && int.TryParse(result.Tokens[0].Value, out int value) && (value < least || value > most))
        {
            result.AddError($"{result.Option.Name} takes {least} to {most}, not {value}.");
        }
    }
}
