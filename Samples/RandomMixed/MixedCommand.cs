using System.CommandLine;
using System.Globalization;
using Samples.Common;
using Samples.RandomMixed.Rows;
using SuperSlab;

namespace Samples.RandomMixed;

/// <summary>The command line.</summary>
internal static class MixedCommand
{
    private const string Purpose =
        """
        The random-mixed benchmark: allocate and free blocks of 16 to 1,039 bytes in random order within a working set, and
        write the first and the last byte of each.

        Each row is measured in a process of its own, the rows by turns; speeds are medians, counts are the most of all repeats.
        Prewarmed rows have run the identical loop once before; the engine was also loaded with a scene plan before that loop.
        "engine" finds the calling thread's cache at each call, "handle" holds it, "null" is the loop without an allocator.

        With --matrix the rows are the engine's prefault policies on normal and on transparent huge pages, cold and prewarmed. There
        the first loop is measured: cold, it takes its memory from the system; prewarmed, a scene plan was loaded before it.

        Exit code 0: fine. 1: a prewarmed engine row had a page fault, an OS call, managed bytes or a collection in a loop, or faults
        were left, though a prefault was asked for; or two rows did not do the same work, or a run could not be finished.
        2: wrong options.
        """;

    private static readonly Option<ulong> Operations = new("--operations")
    {
        Description = "How often the loop runs.",
        HelpName = "N",
        DefaultValueFactory = _ => 1_000_000,
    };

    private static readonly Option<uint> WorkingSet = new("--working-set")
    {
        Description = "How many slots there are; half of them are full on average.",
        HelpName = "N",
        DefaultValueFactory = _ => 256,
    };

    private static readonly Option<uint> Seed = new("--seed")
    {
        Description = "Where the random numbers begin.",
        HelpName = "N",
        DefaultValueFactory = _ => 42,
    };

    private static readonly Option<bool> Prewarm = new("--prewarm") { Description = "Only prewarmed rows." };

    private static readonly Option<bool> Cold = new("--cold") { Description = "Only cold rows; with --prewarm, both of each allocator." };

    private static readonly Option<string?> Allocator = new("--allocator")
    {
        Description = "One allocator only: engine, handle, malloc, gc, arraypool or null.",
        HelpName = "NAME",
    };

    private static readonly Option<string?> Prefault = new("--prefault")
    {
        Description = $"The engine's prefault policy, with --matrix the only one: {string.Join(", ", EnumNames<PrefaultPolicy>.All)}.",
        HelpName = "NAME",
    };

    private static readonly Option<string?> Pages = new("--pages")
    {
        Description = $"The engine's kind of pages, with --matrix the only one: {string.Join(", ", EnumNames<PageKind>.All)}.",
        HelpName = "NAME",
    };

    private static readonly Option<bool> Matrix = new("--matrix")
    {
        Description = "Compare the engine's prefault policies instead of the allocators; --allocator engine (the default) or handle.",
    };

    private static readonly Option<bool> Faults = new("--faults")
    {
        Description = "Also name the owner of each page fault in the first repeat's measured loops. It costs the faulting thread time.",
    };

    private static readonly Option<int> Repeat = new("--repeat")
    {
        Description = "How often each row is measured.",
        HelpName = "N",
        DefaultValueFactory = _ => 9,
    };

    private static readonly Option<string?> Json = new("--json")
    {
        Description = "Write the results as JSON to a file, or with '-' to standard output in place of the table.",
        HelpName = "PATH|-",
    };

    private static readonly Option<string?> Profile = SampleProfile.Option(
        "one row of the engine's, prewarmed unless --cold is said, in frames of 1,000 operations; no other row is run");

    private static readonly Option<string?> OnlyRow = new("--only-row") { Hidden = true };

    /// <summary>Makes the command.</summary>
    public static RootCommand Create(Func<MixedOptions, int> run)
    {
        Allocator.AcceptOnlyFromAmong([.. Array.ConvertAll(RowSpec.Allocators, entry => entry.Name)]);
        Prefault.AcceptOnlyFromAmong(EnumNames<PrefaultPolicy>.All);
        Pages.AcceptOnlyFromAmong(EnumNames<PageKind>.All);
        Limit(Operations, 1, 1_000_000_000_000);
        Limit(WorkingSet, 1, 1 << 20);
        Limit(Repeat, 1, 1000);
        var command = new RootCommand(Purpose)
        {
            Operations, WorkingSet, Seed, Prewarm, Cold, Allocator, Prefault, Pages, Matrix, Faults, Repeat, Json, Profile, OnlyRow,
        };
        command.Validators.Add(result =>
        {
            if (result.GetValue(Matrix) && RowSpec.Find(result.GetValue(Allocator)) is not (null or AllocatorKind.Engine or AllocatorKind.Handle))
            {
                result.AddError($"{Matrix.Name} has rows of the engine only: {Allocator.Name} can be engine or handle.");
            }
        });
        command.Validators.Add(result =>
        {
            if (result.GetValue(Profile) is not null
                && (result.GetValue(Matrix) || RowSpec.Find(result.GetValue(Allocator)) is not (null or AllocatorKind.Engine or AllocatorKind.Handle)))
            {
                result.AddError($"{Profile.Name} is for one row of the engine's: not with {Matrix.Name}, and {Allocator.Name} can be engine or handle.");
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
        OnlyRow.Name, $"{row.AllocatorName}:{row.State}",
        .. row.IsOfMatrix ? new[] { Matrix.Name } : [],
        .. options.Faults ? new[] { Faults.Name } : [],
        .. options.Profile is { } folder ? new[] { Profile.Name, folder } : [],
    ];

    private static void Limit<T>(Option<T> option, long least, long most) => option.Validators.Add(result =>
    {
        // What is no number at all is refused by the parser itself.
        if (result.Tokens.Count == 1
            && decimal.TryParse(result.Tokens[0].Value, NumberStyles.Integer, CultureInfo.InvariantCulture, out decimal value)
            && (value < least || value > most))
        {
            result.AddError($"{option.Name} takes {least} to {most}, not {value}.");
        }
    });

    private static MixedOptions Options(ParseResult parsed) => new()
    {
        Work = new MixedWork(parsed.GetValue(Operations), parsed.GetValue(WorkingSet), parsed.GetValue(Seed)),
        Allocator = RowSpec.Find(parsed.GetValue(Allocator)),
        Prewarm = parsed.GetValue(Prewarm),
        Cold = parsed.GetValue(Cold),
        Prefault = EnumNames<PrefaultPolicy>.Find(parsed.GetValue(Prefault)),
        Pages = EnumNames<PageKind>.Find(parsed.GetValue(Pages)),
        Matrix = parsed.GetValue(Matrix),
        Faults = parsed.GetValue(Faults),
        Repeat = parsed.GetValue(Repeat),
        Json = parsed.GetValue(Json),
        Profile = parsed.GetValue(Profile),
        OnlyRow = RowFrom(parsed),
    };

    private static RowSpec? RowFrom(ParseResult parsed)
    {
        string[] parts = parsed.GetValue(OnlyRow)?.Split(':') ?? [];
        if (parts.Length != 2 || RowSpec.Find(parts[0]) is not { } kind)
        {
            return null;
        }

        return new RowSpec(kind, parts[1] == "prewarmed")
        {
            Prefault = EnumNames<PrefaultPolicy>.Find(parsed.GetValue(Prefault)) ?? PrefaultPolicy.Automatic,
            Pages = EnumNames<PageKind>.Find(parsed.GetValue(Pages)) ?? PageKind.Automatic,
            IsOfMatrix = parsed.GetValue(Matrix),
            AttributesFaults = parsed.GetValue(Faults),
        };
    }
}
