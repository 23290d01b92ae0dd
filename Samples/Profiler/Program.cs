using System.Text.Json;
using Samples.Common;
using Samples.Profiler.Listening;
using Samples.Profiler.Showing;
using SuperSlab.Diagnostics;
using SuperSlab.Reports;

namespace Samples.Profiler;

/// <summary>Watches the engine's memory in another process, writes reports, and compares profiles.</summary>
internal static class Program
{
    private static int Main(string[] arguments) =>
        SampleHost.Run(ProfilerCommand.Create(Run), arguments, saysVerdict: false);

    private static int Run(ProfilerOptions options)
    {
        if (options.Report is not null)
        {
            OutputFile.Check("--report", options.Report);
        }

        if (options.SaveView is not null)
        {
            OutputFile.Check("--save-view", options.SaveView);
        }

        if (options.Profile is not null)
        {
            WriteReport(ReadProfile("--profile", options.Profile), options.Report!);
            return ExitCodes.Success;
        }

        if (options.Diff is { } diff)
        {
            Compare(diff.Before, diff.After, options.Report);
            return ExitCodes.Success;
        }

        Target target = Target.Find(options.Attach!);
        if (options.Report is null || options.Seconds is not null || options.SaveView is not null)
        {
            target = Watching.Run(target, options);
        }

        if (options.Report is not null)
        {
            WriteReport(ReportSession.Fetch(target), options.Report);
        }

        return ExitCodes.Success;
    }

    private static ProfileDocument ReadProfile(string option, string path)
    {
        try
        {
            return ProfileDocument.Read(path);
        }
        catch (Exception error) when (error is JsonException or IOException or UnauthorizedAccessException)
        {
            throw new BadInputException($"{option}: '{path}' cannot be read as a profile: {error.Message}", error);
        }
    }

    private static void Compare(string before, string after, string? report)
    {
        ProfileComparison comparison = new(ReadProfile("--diff", before), ReadProfile("--diff", after));
        Console.Out.Write(ComparisonText.Of(comparison, before, after));
        if (report is not null)
        {
            OutputFile.Write(report, to => HtmlReport.Write(comparison, to));
            Console.Out.WriteLine($"{report}: {FigureText.Count(comparison.Rows.Count, "value")} of two profiles");
        }
    }

    private static void WriteReport(ProfileDocument document, string path)
    {
        OutputFile.Write(path, to => HtmlReport.Write(document, to));
        Console.Out.WriteLine($"{path}: {FigureText.Count(document.Frames.Count, "frame")} of {document.Application}");
    }
}
