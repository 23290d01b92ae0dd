using System.CommandLine;
using System.CommandLine.Parsing;

namespace Samples.Profiler;

/// <summary>The command line.</summary>
internal static class ProfilerCommand
{
    private const string Purpose =
        """
        Shows what the engine's memory does in another process, while it runs: frame times, arenas, tags, SuperSlabs,
        page faults and collections. It listens through the runtime's event pipe; the other process needs a
        SuperSlab.Diagnostics.Profiler and nothing else.

        --attach PID|NAME       shows it in the terminal; without a terminal, a line a second
        --attach PID --report   writes the report of a running process; the frame that ends next pays for it
        --profile --report      writes the report of a finished one
        --diff A B              compares two profiles, the largest regression first; with --report as a page, too

        Exit code 0: fine, also where B is worse than A. 1: the process ended or did not answer while it was needed.
        2: wrong options, no such process, one without the engine, or a file that is no profile.
        """;

    private static readonly Option<string?> Attach = new("--attach")
    {
        Description = "The process to listen to, by its number or its name. By its name, the next process of the name "
            + "is listened to when it ends.",
        HelpName = "PID|NAME",
    };

    private static readonly Option<double?> Seconds = new("--seconds")
    {
        Description = "End after so many seconds. Otherwise it ends with the process or by Ctrl+C.",
        HelpName = "N",
    };

    private static readonly Option<string?> Report =
        new("--report") { Description = "Write the report, an HTML file, there.", HelpName = "PATH" };

    private static readonly Option<string?> Profile = new("--profile")
    {
        Description =
            "Make the report of this profile.json, which a finished process left, instead of a running process.",
        HelpName = "PATH",
    };

    private static readonly Option<string[]> Diff = new("--diff")
    {
        Description = "Compare two profile.json: what became worse from A to B, the largest regression first.",
        HelpName = "A B",
        Arity = new ArgumentArity(0, 2),
        AllowMultipleArgumentsPerToken = true,
    };

    private static readonly Option<string?> SaveView = new("--save-view")
    {
        Description = "At the end write what the live view showed last as HTML there, with or without a terminal.",
        HelpName = "PATH",
    };

    /// <summary>Makes the command.</summary>
    public static RootCommand Create(Func<ProfilerOptions, int> run)
    {
        Seconds.Validators.Add(result =>
        {
            if (result.Tokens.Count == 1 && double.TryParse(result.Tokens[0].Value, out double value)
                && value is not (>= 0.1 and <= 1_000_000))
            {
                result.AddError($"--seconds takes 0.1 to 1000000, not {value}.");
            }
        });
        RootCommand command = new(Purpose) { Attach, Seconds, Report, Profile, Diff, SaveView };
        command.Validators.Add(Check);
        command.SetAction(parsed => run(new ProfilerOptions
        {
            Attach = parsed.GetValue(Attach),
            Seconds = parsed.GetValue(Seconds),
            Report = parsed.GetValue(Report),
            Profile = parsed.GetValue(Profile),
            Diff = parsed.GetValue(Diff) is [string before, string after] ? (before, after) : null,
            SaveView = parsed.GetValue(SaveView),
        }));
        return command;
    }

    private static void Check(CommandResult result)
    {
        bool attaches = result.GetResult(Attach) is not null;
        bool reads = result.GetResult(Profile) is not null;
        OptionResult? diff = result.GetResult(Diff);
        if ((attaches ? 1 : 0) + (reads ? 1 : 0) + (diff is not null ? 1 : 0) != 1)
        {
            result.AddError(
                "Give one of --attach PID|NAME, for a running process, --profile PATH, for one that has ended, and "
                + "--diff A B, for two profiles.");
        }
        else if (diff is not null && diff.Tokens.Count != 2)
        {
            result.AddError($"--diff takes two profiles, not {diff.Tokens.Count}.");
        }
        else if (reads && result.GetResult(Report) is null)
        {
            result.AddError("--profile needs --report PATH: there is nothing to watch in a process that has ended.");
        }
        else if (!attaches && (result.GetResult(Seconds) is not null || result.GetResult(SaveView) is not null))
        {
            result.AddError(
                "--seconds and --save-view are for a running process, which --attach names.");
        }
    }
}
