using System.Diagnostics.Tracing;
using System.Text.Json;
using Microsoft.Diagnostics.NETCore.Client;
using Microsoft.Diagnostics.Tracing;
using Samples.Common;
using SuperSlab.Diagnostics;

namespace Samples.Profiler.Listening;

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
        using EventPipeSession session =
            target.Open(CancellationToken.None, new EventPipeProvider(MemoryEventSource.SourceName, EventLevel.Informational, (long)Asked));
        using EventPipeEventSource source = new(session.EventStream);
        DocumentParts parts = new();
        TaskCompletionSource<ProfileDocument> complete = new(TaskCreationOptions.RunContinuationsAsynchronously);
        source.Dynamic.All += data =>
        {
            try
            {
                if (data.ProviderName == MemoryEventSource.SourceName && data.EventName == "ReportPart"
                    && parts.Add(data) is { } document)
                {
                    complete.TrySetResult(document);
                }
            }
            catch (JsonException error)
            {
                complete.TrySetException(target.Unreadable(error.Message));
            }
        };
        Task reading = Task.Run(source.Process);
        int first = Task.WaitAny([complete.Task, reading], s_patience);
        if (!complete.Task.IsCompleted)
        {
            throw first < 0
                ? new RunFailedException(
                    $"process {target.Id} ({target.Name}) gave no profile within {s_patience.TotalSeconds:0} s: no "
                        + "frame ended, or it has no SuperSlab.Diagnostics.Profiler.")
                : target.Vanished(reading.Exception);
        }

        target.Stop(session);
        return complete.Task.GetAwaiter().GetResult();
    }
}
