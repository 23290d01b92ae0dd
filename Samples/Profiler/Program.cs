using System.Text.Json;
using Samples.Common;
using Samples.Profiler.Listening;
using Samples.Profiler.Showing;
using SuperSlab.Diagnostics;
using SuperSlab.Reports;

namespace Samples.Profiler;

/// <summary>Watches the engine's memory in another process, and writes reports.</summary>
internal static class Program
{
    private static int Main(string[] arguments) => SampleHost.Run(ProfilerCommand.Create(Run), arguments);

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
            WriteReport(ReadProfile(options.Profile), options.Report!);
            return ExitCodes.Success;
        }

        Target target = Target.Find(options.Attach!.Value);
        if (options.Report is null || options.Seconds is not null || options.SaveView is not null)
        {
            Watching.Run(target, options);
        }

        if (options.Report is not null)
        {
            WriteReport(ReportSession.Fetch(target), options.Report);
        }

        return ExitCodes.Success;
    }

    private static ProfileDocument ReadProfile(string path)
    {
        try
        {
            return ProfileDocument.Read(path);
        }
        catch (Exception error) when (error is JsonException or IOException or UnauthorizedAccessException)
        {
            throw new BadInputException($"--profile: '{path}' cannot be read as a profile: {error.Message}", error);
        }
    }

    private static void WriteReport(ProfileDocument document, string path)
    {
        HtmlReport.Write(document, path);
        Console.Out.WriteLine($"{path}: {document.Frames.Count} frames of {document.Application}");
    }
}
