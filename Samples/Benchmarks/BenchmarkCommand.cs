using System.CommandLine;
using System.CommandLine.Parsing;
using Samples.Benchmarks.Workloads;
using Samples.Common;

namespace Samples.Benchmarks;

/// <summary>The command line.</summary>
internal static class BenchmarkCommand
{
    /// <summary>The option that has a child process tell which native allocators it can load.</summary>
    public const string AttendanceOption = "--attendance";

    /// <summary>The workload that is profiled when none is named.</summary>
    public const string ProfiledByDefault = "random-mixed-256";

    /// <summary>The option that asks for the chart.</summary>
    public const string ChartOption = "--chart";

    private const string Purpose =
        """
        The engine beside the native allocators and beside what C# offers: the same work for each, in one run, with the empty loop.

        "handle" is the engine by its per-thread handle, "engine" finds the thread's cache by itself, "null" is the loop without an
        allocator. malloc, mimalloc, jemalloc and tcmalloc are called from C# by function pointers with suppressed transition, and with
        "(C)" from C, without any interop. The best peer is the fastest of these last. What is not installed is left out, and why is said.

        Each contestant is measured in a process of its own, the contestants by turns. Times are medians with the least and the most.

        Exit code 0: fine, whether targets are met or not. 1: contestants that should have done the same work did not, or a run could not
        be finished. 2: wrong options.
        """;

    private const string WorkloadOption = "--workload";

    private static readonly Option<string[]> Workload = new(WorkloadOption)
    {
        Description = "Only this workload, by its name (pair), the beginning of it (batch), or with its parameter (pair-64). May be given more than once.",
        HelpName = "NAME",
    };

    private static readonly Option<bool> Quick = new("--quick") { Description = "A look in under a minute: some of the workloads, one round." };

    private static readonly Option<int?> Repeat = new("--repeat")
    {
        Description = "How often each contestant is measured; usually twice, with --quick once.",
        HelpName = "N",
    };

    private static readonly Option<string?> Json = new("--json")
    {
        Description = "Write the results as JSON to a file, or with '-' to standard output in place of the tables.",
        HelpName = "PATH|-",
    };

    private static readonly Option<string?> Chart = new(ChartOption)
    {
        Description = "Draw the engine's times relative to the best peer's, as a PNG file.",
        HelpName = "PATH",
    };

    private static readonly Option<string?> Profile = SampleProfile.Option(
        $"one workload by the engine's handle, its repetitions as frames, in place of measuring ({ProfiledByDefault} unless {WorkloadOption} names another)");

    private static readonly Option<string?> OnlyContestant = new("--only-contestant") { Hidden = true };

    private static readonly Option<bool> IsAttendance = new(AttendanceOption) { Hidden = true };

    /// <summary>Makes the command.</summary>
    public static RootCommand Create(Func<BenchmarkOptions, int> run)
    {
        Workload.Validators.Add(result =>
        {
            foreach (var token in result.Tokens)
            {
                if (Catalog.Find([token.Value], isQuick: true).Count == 0)
                {
                    result.AddError($"There is no workload '{token.Value}'; there are {string.Join(", ", Catalog.Names())}.");
                }
            }
        });
        Repeat.Validators.Add(result =>
        {
            if (result.Tokens.Count == 1 && int.TryParse(result.Tokens[0].Value, out int repeat) && repeat is < 1 or > 1000)
            {
                result.AddError($"{Repeat.Name} takes 1 to 1000, not {repeat}.");
            }
        });
        var command = new RootCommand(Purpose) { Workload, Quick, Repeat, Json, Chart, Profile, OnlyContestant, IsAttendance };
        command.Validators.Add(CheckProfile);
        command.SetAction(parsed => run(new BenchmarkOptions
        {
            Workloads = parsed.GetValue(Workload) ?? [],
            IsQuick = parsed.GetValue(Quick),
            Repeat = parsed.GetValue(Repeat),
            Json = parsed.GetValue(Json),
            Chart = parsed.GetValue(Chart),
            Profile = parsed.GetValue(Profile),
            OnlyContestant = parsed.GetValue(OnlyContestant),
            IsAttendance = parsed.GetValue(IsAttendance),
        }));
        return command;
    }

    /// <summary>The workload that is to be profiled; null when several were named, or one that has no repetitions in one memory.</summary>
    public static BlockWorkload? Profiled(IReadOnlyList<string> names, bool isQuick) =>
        Catalog.Find(names.Count == 0 ? [ProfiledByDefault] : names, isQuick) is [BlockWorkload one] ? one : null;

    /// <summary>The arguments by which this program measures workloads with one contestant in a child process.</summary>
    public static string[] ChildArguments(bool isQuick, IEnumerable<Workload> workloads, string contestant) =>
    [
        .. workloads.SelectMany(work => new[] { Workload.Name, work.Id }),
        .. isQuick ? [Quick.Name] : Array.Empty<string>(),
        OnlyContestant.Name, contestant,
    ];

    private static void CheckProfile(CommandResult result)
    {
        if (result.GetValue(Profile) is null)
        {
            return;
        }

        if (result.GetValue(Json) is not null || result.GetValue(Chart) is not null)
        {
            result.AddError($"{Profile.Name} measures nothing: not with {Json.Name} or {Chart.Name}.");
        }

        if (Profiled(result.GetValue(Workload) ?? [], isQuick: true) is null)
        {
            result.AddError(
                $"{Profile.Name} is for one workload with its parameter (pair-64), and not for prewarm, random-mixed-cold and trace-...: "
                + "a recorded game is profiled by the sample GameReplay.");
        }
    }
}
