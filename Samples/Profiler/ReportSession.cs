using System.Diagnostics.Tracing;
using System.Text;
using Microsoft.Diagnostics.NETCore.Client;
using Microsoft.Diagnostics.Tracing;
using Samples.Common;
using SuperSlab.Diagnostics;

namespace Samples.Profiler;

/// <summary>Asks a running process for its profile, which comes in parts when its next frame ends.</summary>
internal static class ReportSession
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(30);

    /// <exception cref="BadInputException">The process cannot be listened to.</exception>
    /// <exception cref="RunFailedException">It ended, or no frame ended in time.</exception>
    public static ProfileDocument Fetch(Target target)
    {
        // The pipe holds the last event back until another one comes: the state comes again and again.
        const EventKeywords Asked = MemoryEventSource.Keywords.Report | MemoryEventSource.Keywords.State;
        using EventPipeSession session = target.Open(
            new EventPipeProvider(MemoryEventSource.SourceName, EventLevel.Informational, (long)Asked));
        using EventPipeEventSource source = new(session.EventStream);
        Dictionary<long, string?[]> reports = [];
        TaskCompletionSource<string> complete = new(TaskCreationOptions.RunContinuationsAsynchronously);
        source.Dynamic.All += data =>
        {
            if (data.ProviderName == MemoryEventSource.SourceName && data.EventName == "ReportPart"
                && Add(reports, data) is { } json)
                complete.TrySetResult(json);
        };
        Task reading = Task.Run(source.Process);
        int first = Task.WaitAny([complete.Task, reading], s_patience);
        if (!complete.Task.IsCompleted)
        {
            throw first < 0
                ? new RunFailedException(
                    $"process {target.Id} ({target.Name}) gave no profile within {s_patience.TotalSeconds:0} s: no "
                    + $"frame ended, or it has no SuperSlab.Diagnostics.Profiler.")
                : target.Vanished(reading.Exception);
        }

        Stop(session);
        return ProfileDocument.Read(new MemoryStream(Encoding.UTF8.GetBytes(complete.Task.Result)));
    }

    /// <returns>The whole document when this was its last part.</returns>
    private static string? Add(Dictionary<long, string?[]> reports, TraceEvent data)
    {
        long report = (long)data.PayloadByName("report");
        if (!reports.TryGetValue(report, out string?[]? parts))
        {
            parts = new string?[(long)data.PayloadByName("count")];
            reports.Add(report, parts);
        }

        parts[(long)data.PayloadByName("part")] = (string)data.PayloadByName("json");
        return parts.Contains(null) ? null : string.Concat(parts);
    }

    private static void Stop(EventPipeSession session)
    {
        try
        {
            session.Stop();
        }
        catch (Exception error) when (error is ServerNotAvailableException or IOException)
        {
            // The process ended after it had sent everything.
        }
    }
}
