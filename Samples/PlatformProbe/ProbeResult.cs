// What the probe finds, as JSON and as text.
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;
using Samples.Common;

namespace PlatformProbe;

/// <summary>Everything that the probe found.</summary>
internal sealed record ProbeResult
{
    public required string System { get; init; }
    public required long PageBytes { get; init; }
    public required string TransparentHugePages { get; init; }
    public required long AvailableMebibytes { get; init; }
    public required string AvailableSource { get; init; }
    public required string FaultRecorder { get; init; }
    public required IReadOnlyList<ProbeRow> Rows { get; init; }
    public required string AutomaticChain { get; init; }
    public required IReadOnlyList<PrewarmRow> Prewarms { get; init; }
    public required IReadOnlyList<RiddleRow> Riddle { get; init; }
    public required IReadOnlyList<string> Failures { get; init; }
}

/// <summary>What one policy with one kind of pages does on this machine.</summary>
internal sealed record ProbeRow
{
    public required string Policy { get; init; }
    public required string Pages { get; init; }

    /// <summary>Null when it works, or why it does not.</summary>
    public string? WhyNot { get; init; }

    /// <summary>Median of several runs of 2 MiB.</summary>
    public double MicrosecondsPerMebibyteOfSuperSlab { get; init; }

    /// <summary>Median of several runs of 64 MiB.</summary>
    public double MicrosecondsPerMebibyteOfLarge { get; init; }

    /// <summary>Pages of 64 MiB that would still fault, as the system tells; -1 where it does not.</summary>
    public long PagesThatWouldFault { get; init; }

    /// <summary>Faults that a write to every page of 64 MiB took; -1 where they are not counted by thread.</summary>
    public long FaultsOfWritePass { get; init; }

    /// <summary>How much of 64 MiB stands on huge pages; -1 where it is not known.</summary>
    public long HugePageMebibytes { get; init; }
}

/// <summary>One large prewarm: medians of several runs, with the least and the most.</summary>
/// <param name="Threads">The threads that took part; 0 for the kernel alone, without the engine.</param>
/// <param name="IsPinned">Whether the pages were pinned as well.</param>
/// <param name="Mebibytes">How much was prewarmed.</param>
/// <param name="GibibytesPerSecond">The bandwidth at the median.</param>
internal sealed record PrewarmRow(
    int Threads, bool IsPinned, long Mebibytes, double Milliseconds, double LeastMilliseconds, double MostMilliseconds,
    double GibibytesPerSecond);

/// <summary>One form of asking for MAP_POPULATE, and what it left to be faulted in.</summary>
internal sealed record RiddleRow(
    string Form, double MicrosecondsPerMebibyte, long FaultsLeft, long Pages, string Meaning);

/// <summary>Serialization without reflection, so that the probe can be compiled ahead of time.</summary>
[JsonSourceGenerationOptions(WriteIndented = true, PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(ProbeResult))]
internal sealed partial class ProbeJson : JsonSerializerContext;

/// <summary>The result as tables for a person to read.</summary>
internal static class ProbeText
{
    public static void Write(ProbeResult result, TextWriter to)
    {
        string huge = result.TransparentHugePages;
        string page = FigureText.Bytes(result.PageBytes);
        string available = FigureText.Bytes(result.AvailableMebibytes << 20);
        to.WriteLine($"System {result.System}, pages of {page}, transparent huge pages: {huge}");
        to.WriteLine($"Memory available: {available} ({result.AvailableSource})");
        to.WriteLine($"Recording the addresses of faults: {result.FaultRecorder}");
        to.WriteLine();
        to.Write("policy             pages             µs/MiB 2 MiB  µs/MiB 64 MiB  would fault  ");
        to.WriteLine("write pass  huge MiB of 64");
        foreach (ProbeRow row in result.Rows)
        {
            string figures = row.WhyNot ?? string.Create(
                CultureInfo.InvariantCulture,
                $"{row.MicrosecondsPerMebibyteOfSuperSlab,12:0.0}{row.MicrosecondsPerMebibyteOfLarge,15:0.0}"
                + $"{Known(row.PagesThatWouldFault),13}{Known(row.FaultsOfWritePass),12}"
                + $"{Known(row.HugePageMebibytes),16}");
            to.WriteLine($"{row.Policy,-18} {row.Pages,-17} {figures}");
        }

        to.WriteLine();
        to.WriteLine("automatic chose: " + result.AutomaticChain);
        foreach (PrewarmRow row in result.Prewarms)
        {
            to.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"prewarm of {FigureText.Bytes(row.Mebibytes << 20)}, {Who(row),-32} {row.Milliseconds,7:0.0} ms "
                + $"({row.LeastMilliseconds:0.0} .. {row.MostMilliseconds:0.0}), {row.GibibytesPerSecond:0.0} GiB/s"));
        }

        if (result.Riddle.Count != 0)
        {
            to.WriteLine();
            to.WriteLine("Does MAP_POPULATE work? 2 MiB, three ways of asking:");
        }

        foreach (RiddleRow row in result.Riddle)
        {
            to.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"  {row.Form,-58}{row.MicrosecondsPerMebibyte,8:0.0} µs/MiB, then {row.FaultsLeft,4} of "
                + $"{row.Pages:N0} writes fault: {row.Meaning}"));
        }

        foreach (string failure in result.Failures)
            to.WriteLine("FAILED: " + failure);
    }

    private static string Known(long figure) => figure < 0 ? "?" : FigureText.Count(figure);

    private static string Who(PrewarmRow row)
    {
        string pinned = row.IsPinned ? ", pinned" : "";
        return row.Threads switch
        {
            0 => "the kernel alone:",
            1 => $"the engine, 1 thread{pinned}:",
            _ => $"the engine, {row.Threads} threads{pinned}:",
        };
    }
}
