// The command line and what it asks for.
using System.CommandLine;
using System.Globalization;
using Samples.Common;
using SuperSlab;

namespace Samples.RandomMixed;

/// <summary>The work of a run: how many operations, on how many slots, from which seed.</summary>
internal readonly record struct MixedWork(long Operations, uint WorkingSet, uint Seed);

internal sealed record MixedOptions
{
    public required MixedWork Work { get; init; }
    public required AllocatorKind? Allocator { get; init; }
    public required bool Prewarm { get; init; }
    public required bool Cold { get; init; }

    /// <summary>The one prefault policy that was asked for.</summary>
    public required PrefaultPolicy? Prefault { get; init; }

    /// <summary>The one kind of pages that was asked for.</summary>
    public required PageKind? Pages { get; init; }

    /// <summary>Whether the rows are the prefault policies instead of the allocators.</summary>
    public required bool Matrix { get; init; }

    /// <summary>Whether the owner of each page fault is named.</summary>
    public bool Faults { get; init; }

    public required int Repeat { get; init; }
    public required string? Json { get; init; }

    /// <summary>Where a profile is written to; then one row of the engine's is run, once.</summary>
    public string? Profile { get; init; }

    /// <summary>Set in the measuring child processes: the one row to measure.</summary>
    public required RowSpec? OnlyRow { get; init; }
}

internal static class MixedCommand
{
    private const string Purpose =
        """
        The random-mixed benchmark: allocate and free blocks of 16 to 1,039 bytes in random order within a working set,
        and write the first and the last byte of each.

        Each row is measured in a process of its own, the rows by turns; speeds are medians, counts are the most of all
        repeats. Prewarmed rows have run the identical loop once before; the engine was also loaded with a scene plan
        before that loop. "engine" finds the calling thread's cache at each call, "handle" holds it, "null" is the loop
        without an allocator.

        With --matrix the rows are the engine's prefault policies on normal and on transparent huge pages, cold and
        prewarmed. There the first loop is measured: cold, it takes its memory from the system; prewarmed, a scene plan
        was loaded before it.

        Exit code 0: fine. 1: a prewarmed engine row had a page fault, an OS call, managed bytes or a collection in a
        loop, or faults were left, though a prefault was asked for; or two rows did not do the same work, or a run could
        not be finished. 2: wrong options.
        """;

    private const int UsualRepeats = 9;

    private static readonly Option<long> Operations =
        SampleOptions.New("--operations", "How often the loop runs.", "N", 1_000_000L).Within(1, 1_000_000_000_000);

    private static readonly Option<uint> WorkingSet = SampleOptions.New(
        "--working-set", "How many slots there are; half of them are full on average.", "N", 256u).Within(1, 1 << 20);

    private static readonly Option<uint> Seed = SampleOptions.Seed(42u);

    private static readonly Option<bool> Prewarm = SampleOptions.New<bool>("--prewarm", "Only prewarmed rows.");

    private static readonly Option<bool> Cold = SampleOptions.New<bool>(
        "--cold", "Only cold rows; with --prewarm, both of each allocator.");

    private static readonly Option<string?> Allocator = SampleOptions.Allocator(Enum.GetValues<AllocatorKind>());

    private static readonly Option<string?> Prefault = SampleOptions.New<string?>(
        "--prefault",
        $"The engine's prefault policy, with --matrix the only one: "
        + $"{string.Join(", ", EnumNames<PrefaultPolicy>.All)}.",
        "NAME");

    private static readonly Option<string?> Pages = SampleOptions.New<string?>(
        "--pages",
        $"The engine's kind of pages, with --matrix the only one: {string.Join(", ", EnumNames<PageKind>.All)}.",
        "NAME");

    private static readonly Option<bool> Matrix = SampleOptions.New<bool>(
        "--matrix",
        "Compare the engine's prefault policies instead of the allocators; --allocator engine (the default) or "
        + "handle.");

    private static readonly Option<int?> Repeat = SampleOptions.Repeat($"{UsualRepeats} times");

    private static readonly Option<string?> Profile = SampleOptions.Profile(
        "one row of the engine's, prewarmed unless --cold is said, in frames of 1,000 operations; no other row is run");

    public static RootCommand Create(Func<MixedOptions, int> run)
    {
        Prefault.AcceptOnlyFromAmong(EnumNames<PrefaultPolicy>.All);
        Pages.AcceptOnlyFromAmong(EnumNames<PageKind>.All);
        var command = new RootCommand(Purpose)
        {
            Operations, WorkingSet, Seed, Prewarm, Cold, Allocator, Prefault, Pages, Matrix, SampleOptions.Faults,
            Repeat,
            SampleOptions.Json, Profile, SampleOptions.CallSites,
            SampleOptions.OnlyRow,
        };
        command.Validators.Add(result =>
        {
            bool hasOther = result.GetValue(Allocator) is not (null or "engine" or "handle");
            if (result.GetValue(Matrix) && hasOther)
            {
                result.AddError(
                    $"{Matrix.Name} has rows of the engine only: {Allocator.Name} can be engine or handle.");
            }

            if (result.GetValue(Profile) is not null && (result.GetValue(Matrix) || hasOther))
            {
                result.AddError(
                    $"{Profile.Name} is for one row of the engine's: not with {Matrix.Name}, and {Allocator.Name} "
                    + $"can be engine or handle.");
            }
        });
        command.SetAction(parsed => run(Options(parsed)));
        return command;
    }

    /// <summary>The arguments by which this program measures one row in a child process.</summary>
    public static string[] ChildArguments(MixedOptions options, RowSpec row) =>
    [
        Operations.Name, options.Work.Operations.ToString(CultureInfo.InvariantCulture),
        WorkingSet.Name, options.Work.WorkingSet.ToString(CultureInfo.InvariantCulture),
        Seed.Name, options.Work.Seed.ToString(CultureInfo.InvariantCulture),
        Prefault.Name, EnumNames<PrefaultPolicy>.Of(row.Prefault),
        Pages.Name, EnumNames<PageKind>.Of(row.Pages),
        SampleOptions.OnlyRow.Name, $"{row.AllocatorName}:{row.State}",
        .. row.IsOfMatrix ? new[] { Matrix.Name } : [],
        .. options.Faults ? new[] { SampleOptions.Faults.Name } : [],
        .. options.Profile is { } folder ? new[] { Profile.Name, folder } : [],
    ];

    private static MixedOptions Options(ParseResult parsed) => new()
    {
        Work = new MixedWork(parsed.GetValue(Operations), parsed.GetValue(WorkingSet), parsed.GetValue(Seed)),
        Allocator = EnumNames<AllocatorKind>.Find(parsed.GetValue(Allocator)),
        Prewarm = parsed.GetValue(Prewarm),
        Cold = parsed.GetValue(Cold),
        Prefault = EnumNames<PrefaultPolicy>.Find(parsed.GetValue(Prefault)),
        Pages = EnumNames<PageKind>.Find(parsed.GetValue(Pages)),
        Matrix = parsed.GetValue(Matrix),
        Faults = parsed.GetValue(SampleOptions.Faults),
        Repeat = parsed.GetValue(Profile) is null ? parsed.GetValue(Repeat) ?? UsualRepeats : 1,
        Json = parsed.GetValue(SampleOptions.Json),
        Profile = parsed.GetValue(Profile),
        OnlyRow = RowFrom(parsed),
    };

    private static RowSpec? RowFrom(ParseResult parsed)
    {
        string[] parts = parsed.GetValue(SampleOptions.OnlyRow)?.Split(':') ?? [];
        if (parts.Length != 2 || EnumNames<AllocatorKind>.Find(parts[0]) is not { } kind)
            return null;

        return new RowSpec(kind, parts[1] == "prewarmed")
        {
            Prefault = EnumNames<PrefaultPolicy>.Find(parsed.GetValue(Prefault)) ?? PrefaultPolicy.Automatic,
            Pages = EnumNames<PageKind>.Find(parsed.GetValue(Pages)) ?? PageKind.Automatic,
            IsOfMatrix = parsed.GetValue(Matrix),
            AttributesFaults = parsed.GetValue(SampleOptions.Faults),
        };
    }
}
