// The command line and what it asks for.
using System.CommandLine;
using System.CommandLine.Parsing;
using Samples.Benchmarks.Contestants;
using Samples.Benchmarks.Scaling;
using Samples.Benchmarks.Workloads;
using Samples.Common;

namespace Samples.Benchmarks;

internal sealed record BenchmarkOptions
{
    /// <summary>Names or ids of workloads; empty for all.</summary>
    public required IReadOnlyList<string> Workloads { get; init; }

    /// <summary>Whether it is to be a look rather than a measurement.</summary>
    public required bool IsQuick { get; init; }

    /// <summary>How many rounds; null for as many as usual.</summary>
    public required int? Repeat { get; init; }

    public required string? Json { get; init; }
    public required string? Chart { get; init; }

    /// <summary>Where a profile of one workload is written to, in place of all measurements; null measures.</summary>
    public required string? Profile { get; init; }

    /// <summary>Set in the measuring child processes: the contestant that does the workloads.</summary>
    public required string? OnlyContestant { get; init; }

    /// <summary>Set in the child process that finds out which native allocators can be loaded.</summary>
    public required bool IsAttendance { get; init; }

    /// <summary>
    /// Numbers of threads for the scaling workloads, in order; empty for the usual ones, null when it is not about
    /// them.
    /// </summary>
    public required IReadOnlyList<int>? Threads { get; init; }

    /// <summary>Whether small arenas are measured, and nothing else.</summary>
    public required bool IsSmallArenas { get; init; }

    /// <summary>Whether containers are measured beside the BCL's, and nothing else.</summary>
    public required bool IsCollections { get; init; }

    /// <summary>Whether C libraries are measured on arenas, and nothing else.</summary>
    public required bool IsNativeLibraries { get; init; }

    /// <summary>Operations of each thread in the scaling workloads; null for as many as usual.</summary>
    public required long? Operations { get; init; }

    /// <summary>Libraries to measure beside the usual ones.</summary>
    public required IReadOnlyList<Peer> Libraries { get; init; }

    /// <summary>This program compiled ahead of time; null for the one that lies where it is published to.</summary>
    public required string? AheadOfTime { get; init; }

    /// <summary>Whether it is a failure when the prewarmed engine calls the system.</summary>
    public required bool RequiresNoSystemCalls { get; init; }

    /// <summary>Set in the measuring child processes: the library that counts system calls.</summary>
    public required string? SystemCalls { get; init; }
}

internal static class BenchmarkCommand
{
    /// <summary>The option that has a child process tell which native allocators it can load.</summary>
    public const string AttendanceOption = "--attendance";

    /// <summary>The workload that is profiled when none is named.</summary>
    public const string ProfiledByDefault = "random-mixed-256";

    /// <summary>The option that asks for the chart.</summary>
    public const string ChartOption = "--chart";

    /// <summary>The option that names a library.</summary>
    public const string LibraryOption = "--library";

    /// <summary>The option that names the program compiled ahead of time.</summary>
    public const string AheadOfTimeOption = "--aot";

    private const string Purpose =
        """
        The engine beside the native allocators and beside what C# offers: the same work for each, in one run, with the
        empty loop.

        "handle" is the engine by its per-thread handle, "engine" finds the thread's cache by itself, "null" is the loop
        without an allocator. malloc, mimalloc, jemalloc and tcmalloc are called from C# by function pointers with
        suppressed transition, and with "(C)" from C, without any interop. The best peer is the fastest of these last.
        What is not installed is left out, and why is said.

        With --threads there are seven other workloads, which several threads do at once, and besides their times those
        of single calls, and the threads' system calls, switches and page faults.

        Each contestant is measured in a process of its own, the contestants by turns. Times are medians with the least
        and the most.

        Exit code 0: fine, whether targets are met or not. 1: contestants that should have done the same work did not,
        or a run could not be finished. 2: wrong options.
        """;

    private const string WorkloadOption = "--workload";

    private static readonly Option<string[]> Workload = SampleOptions.New<string[]>(
        WorkloadOption,
        "Only this workload, by its name (pair), the beginning of it (batch), or with its parameter (pair-64). May be "
        + "given more than once.",
        "NAME");

    private static readonly Option<bool> Quick = SampleOptions.New<bool>(
        "--quick", "A look in under a minute: some of the workloads, one round.");

    private static readonly Option<int?> Repeat = SampleOptions.Repeat("twice, with --quick once");

    private static readonly Option<string?> Chart = SampleOptions.New<string?>(
        ChartOption, "Draw the engine's times relative to the best peer's, as a PNG file.", "PATH");

    private static readonly Option<string?> Profile = SampleOptions.Profile(
        $"one workload by the engine's handle, its repetitions as frames, in place of measuring ({ProfiledByDefault} "
        + $"unless {WorkloadOption} names another)");

    private static readonly Option<string?> Threads = SampleOptions.New<string?>(
        "--threads",
        "The scaling workloads, on these numbers of threads; without a list on powers of two up to the cores, and on "
        + "four for each.",
        "N,N,...");

    private static readonly Option<bool> SmallArenas = SampleOptions.New<bool>(
        "--small-arenas",
        "What creating and disposing the small arenas of 10,000 scripts takes, and their memory, beside long-lived "
        + "arenas; nothing else. Exit code 1 when they are larger than promised, or call the system.");

    private static readonly Option<bool> Collections = SampleOptions.New<bool>(
        "--collections",
        "The containers over arenas beside the BCL's, operation by operation; nothing else. Exit code 1 when one of ours "
        + "calls the system or makes garbage.");

    private static readonly Option<bool> NativeLibraries = SampleOptions.New<bool>(
        "--native-libraries",
        "SQLite and Lua on their own malloc and on arenas, by functions and by inline code in C; nothing else. Exit "
        + "code 1 when a run on a prewarmed arena calls the system, makes garbage or leaves a block.");

    private static readonly Option<long?> Operations = SampleOptions.New<long?>(
        "--operations",
        "With --threads: operations of each thread; usually 400,000, with --quick 40,000. Heavy workloads do less.",
        "N").Within(1, int.MaxValue);

    private static readonly Option<string[]> Library = SampleOptions.New<string[]>(
        LibraryOption,
        "With --threads: another library that takes malloc's place, preloaded into the C program. May be given more "
        + "than once.",
        "NAME=PATH");

    private static readonly Option<string?> AheadOfTime = SampleOptions.New<string?>(
        AheadOfTimeOption,
        "With --threads: this program, published with -p:PublishAot=true; usually the one in the build's publish "
        + "folder.",
        "PATH");

    private static readonly Option<bool> NoSystemCalls = SampleOptions.New<bool>(
        "--require-no-system-calls",
        "With --threads: exit code 1 when a thread of the prewarmed engine called the system or waited in a measured "
        + "loop.");

    private static readonly Option<string?> SystemCalls = new("--system-calls-library") { Hidden = true };

    private static readonly Option<bool> IsAttendance = new(AttendanceOption) { Hidden = true };

    // Each measures something else than the workloads.
    private static readonly Option<bool>[] Alone = [SmallArenas, Collections, NativeLibraries];

    // They mean nothing without --threads.
    private static readonly Option[] ScalingOptions = [Operations, Library, AheadOfTime, NoSystemCalls, SystemCalls];

    public static RootCommand Create(Func<BenchmarkOptions, int> run)
    {
        Workload.Validators.Add(CheckWorkloads);
        Threads.Validators.Add(CheckThreads);
        Library.Validators.Add(CheckLibraries);
        AheadOfTime.Validators.Add(CheckFile);
        Threads.Arity = ArgumentArity.ZeroOrOne;
        var command = new RootCommand(Purpose)
        {
            Workload, Quick, Repeat, SampleOptions.Json, Chart, Profile, SampleOptions.CallSites, SampleOptions.OnlyRow,
            IsAttendance, SmallArenas, Collections, NativeLibraries,
        };
        foreach (Option option in ScalingOptions.Prepend(Threads))
            command.Add(option);

        command.Validators.Add(CheckProfile);
        command.Validators.Add(CheckScaling);
        foreach (Option<bool> alone in Alone)
            command.Validators.Add(result => CheckAlone(result, alone));

        command.SetAction(parsed => run(new BenchmarkOptions
        {
            Workloads = parsed.GetValue(Workload) ?? [],
            IsQuick = parsed.GetValue(Quick),
            Repeat = parsed.GetValue(Repeat),
            Json = parsed.GetValue(SampleOptions.Json),
            Chart = parsed.GetValue(Chart),
            Profile = parsed.GetValue(Profile),
            OnlyContestant = parsed.GetValue(SampleOptions.OnlyRow),
            IsAttendance = parsed.GetValue(IsAttendance),
            Threads = parsed.GetResult(Threads) is null ? null : ThreadsOf(parsed.GetValue(Threads)),
            IsSmallArenas = parsed.GetValue(SmallArenas),
            IsCollections = parsed.GetValue(Collections),
            IsNativeLibraries = parsed.GetValue(NativeLibraries),
            Operations = parsed.GetValue(Operations),
            Libraries = Array.ConvertAll(parsed.GetValue(Library) ?? [], LibraryOf),
            AheadOfTime = parsed.GetValue(AheadOfTime),
            RequiresNoSystemCalls = parsed.GetValue(NoSystemCalls),
            SystemCalls = parsed.GetValue(SystemCalls),
        }));
        return command;
    }

    /// <summary>
    /// The workload that is to be profiled; null when several were named, or one that has no repetitions in one memory.
    /// </summary>
    public static BlockWorkload? Profiled(IReadOnlyList<string> names, bool isQuick) =>
        Catalog.Find(names.Count == 0 ? [ProfiledByDefault] : names, isQuick) is [BlockWorkload one] ? one : null;

    /// <summary>
    /// The arguments by which this program measures workloads with one contestant in a child process.
    /// </summary>
    public static string[] ChildArguments(bool isQuick, IEnumerable<Workload> workloads, string contestant) =>
    [
        .. workloads.SelectMany(work => new[] { Workload.Name, work.Id }),
        .. isQuick ? [Quick.Name] : Array.Empty<string>(),
        SampleOptions.OnlyRow.Name, contestant,
    ];

    /// <summary>
    /// The arguments by which this program does a scaling workload with one contestant in a child process.
    /// </summary>
    public static string[] ScalingArguments(ScalingLoad load, string contestant, string? systemCalls) =>
    [
        Threads.Name, $"{load.Threads}", Workload.Name, load.Work.Name, Operations.Name, $"{load.Operations}",
        SampleOptions.OnlyRow.Name, contestant,
        .. systemCalls is null ? Array.Empty<string>() : [SystemCalls.Name, systemCalls],
    ];

    private static int[] ThreadsOf(string? text) =>
        text is not null && ThreadCounts.TryParse(text, out int[] counts, out _) ? counts : [];

    private static Peer LibraryOf(string text)
    {
        int equals = text.IndexOf('=', StringComparison.Ordinal);
        return new Peer(text[..equals], Path.GetFullPath(text[(equals + 1)..]), "", $"given by {LibraryOption}");
    }

    private static void CheckWorkloads(OptionResult result)
    {
        bool isScaling = result.GetResult(Threads) is not null;
        foreach (string name in result.Tokens.Select(token => token.Value))
        {
            if (isScaling && !Array.Exists(ScalingWork.All, work => work.Name == name))
            {
                string all = string.Join(", ", ScalingWork.All.Select(work => work.Name));
                result.AddError($"There is no scaling workload '{name}'; there are {all}.");
            }
            else if (!isScaling && Catalog.Find([name], isQuick: true).Count == 0)
            {
                result.AddError($"There is no workload '{name}'; there are {string.Join(", ", Catalog.Names())}.");
            }
        }
    }

    private static void CheckThreads(OptionResult result)
    {
        if (result.Tokens.Count == 1 && !ThreadCounts.TryParse(result.Tokens[0].Value, out _, out string reason))
            result.AddError($"{Threads.Name} {reason}.");
    }

    private static void CheckLibraries(OptionResult result)
    {
        List<string> names = [.. Peer.All.Select(peer => peer.Name)];
        foreach (string text in result.Tokens.Select(token => token.Value))
        {
            int equals = text.IndexOf('=', StringComparison.Ordinal);
            string name = text[..Math.Max(equals, 0)];
            if (name.Length == 0)
                result.AddError($"{Library.Name} takes NAME=PATH, not '{text}'.");
            else if (names.Contains(name))
                result.AddError($"{Library.Name}: there is a contestant '{name}' already.");
            else if (!File.Exists(text[(equals + 1)..]))
                result.AddError($"{Library.Name}: there is no file '{text[(equals + 1)..]}'.");

            names.Add(name);
        }
    }

    private static void CheckFile(OptionResult result)
    {
        if (result.Tokens.Count == 1 && !File.Exists(result.Tokens[0].Value))
            result.AddError($"{AheadOfTime.Name}: there is no file '{result.Tokens[0].Value}'.");
    }

    private static void CheckScaling(CommandResult result)
    {
        bool isScaling = result.GetResult(Threads) is not null;
        if (isScaling && result.GetValue(Profile) is not null)
            result.AddError($"{Profile.Name} is not for the scaling workloads of {Threads.Name}.");

        if (!isScaling && Array.Find(
            ScalingOptions, option => result.GetResult(option) is OptionResult { Implicit: false }) is { } alone)
        {
            result.AddError($"{alone.Name} is for the scaling workloads: {Threads.Name} is missing.");
        }
    }

    private static void CheckAlone(CommandResult result, Option<bool> alone)
    {
        Option[] others = [Workload, Chart, Profile, Threads, .. Alone.Where(other => other != alone)];
        if (result.GetValue(alone) && Array.Find(others, option => result.GetResult(option) is OptionResult
            {
                Implicit: false
            }) is { } other)
        {
            result.AddError($"{alone.Name} measures nothing else: not with {other.Name}.");
        }
    }

    private static void CheckProfile(CommandResult result)
    {
        if (result.GetValue(Profile) is null)
            return;

        if (result.GetValue(SampleOptions.Json) is not null || result.GetValue(Chart) is not null)
            result.AddError($"{Profile.Name} measures nothing: not with {SampleOptions.Json.Name} or {Chart.Name}.");

        if (Profiled(result.GetValue(Workload) ?? [], isQuick: true) is null)
        {
            result.AddError(
                $"{Profile.Name} is for one workload with its parameter (pair-64), and not for prewarm, "
                + $"random-mixed-cold, drift and trace-...: a recorded game is profiled by the sample GameReplay.");
        }
    }
}
