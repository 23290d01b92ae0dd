// Rows of measurements: each repeat in a process of its own, the rows by turns.
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace Samples.Common;

/// <summary>One row of a table: its measurements over all repeats.</summary>
/// <typeparam name="T">What a measuring process reports.</typeparam>
internal abstract class RepeatedRow<T>
{
    private readonly List<T> _repeats = [];

    public IReadOnlyList<T> Repeats => _repeats;

    /// <summary>What the first process reported.</summary>
    public T First => _repeats[0];

    public void Add(T measurement) => _repeats.Add(measurement);

    public TFigure Median<TFigure>(Func<T, TFigure> figure)
        where TFigure : IComparable<TFigure> => Statistics.Median(_repeats.Select(figure));

    /// <summary>The most of a figure: of what should not happen, a 0 is a 0 in every repeat.</summary>
    public long Most(Func<T, long> figure) => _repeats.Max(figure);

    /// <summary>The most of a figure that some repeats do not know.</summary>
    public long? Most(Func<T, long?> figure) => _repeats.Max(figure);

    /// <summary>The least and the most of a figure.</summary>
    public (long Least, long Most) Range(Func<T, long> figure) => (_repeats.Min(figure), _repeats.Max(figure));
}

/// <summary>Measures rows, and judges them.</summary>
internal static class RowRunner
{
    /// <summary>Lets all rows take turns.</summary>
    /// <param name="repeats">How often each is measured.</param>
    public static void TakeTurns<TRow>(int repeats, IReadOnlyList<TRow> rows, Action<TRow> measure)
    {
        using RunProgress progress = new(rows.Count, repeats);
        for (int repeat = 0; repeat < repeats; repeat++)
        {
            foreach (TRow row in rows)
            {
                progress.Next();
                measure(row);
            }
        }
    }

    /// <summary>Runs this program as a child and reads the measurement that it prints.</summary>
    public static T Ask<T>(IEnumerable<string> arguments, JsonTypeInfo<T> type, string input = "") =>
        Read(ChildProcess.Run(arguments, input), type);

    /// <summary>Reads a measurement that a process printed.</summary>
    public static T Read<T>(string output, JsonTypeInfo<T> type) => JsonSerializer.Deserialize(output, type)!;

    /// <summary>In the child process: prints the measurement.</summary>
    /// <returns>The exit code.</returns>
    public static int Answer<T>(T measurement, JsonTypeInfo<T> type)
    {
        Console.Out.WriteLine(JsonSerializer.Serialize(measurement, type));
        return ExitCodes.Success;
    }

    /// <summary>Prints what must not be and is; nulls are well.</summary>
    /// <returns>The exit code.</returns>
    public static int Judge(IEnumerable<string?> problems)
    {
        int code = ExitCodes.Success;
        foreach (string problem in problems.OfType<string>())
        {
            Console.Error.WriteLine("error: " + problem);
            code = ExitCodes.Failure;
        }

        return code;
    }
}
