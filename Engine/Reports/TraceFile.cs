using System.Text.Json;
using SuperSlab.Diagnostics;

namespace SuperSlab.Reports;

/// <summary>
/// Writes a profile as a trace for https://ui.perfetto.dev and chrome://tracing, in the JSON object form of Google's
/// "Trace Event Format".
/// </summary>
/// <remarks>
/// Frames are complete events of one thread; loads, SuperSlabs and other tracks are asynchronous spans, which may
/// overlap, and instants; memory by use and by arena, what tags allocated, and the frames' columns, are counters. Times
/// are microseconds. The display unit is left out: with "ns" chrome://tracing warns that the times are too coarse.
/// </remarks>
public static class TraceFile
{
    private const int ProcessId = 1;
    private const int FramesThread = 1;
    private const int FirstTrackThread = 2;

    private static readonly ProfileTable.Column[] s_frameCounters =
        [.. ProfileTable.Frames.ColumnsOf(ProfileTable.Outputs.Page)];

    /// <summary>Writes the trace and replaces an existing file. Not for the hot loop.</summary>
    /// <param name="document">The profile.</param>
    /// <param name="path">A file name, usually with the ending .json.</param>
    /// <exception cref="IOException">The file cannot be written.</exception>
    public static void Write(ProfileDocument document, string path)
    {
        ArgumentNullException.ThrowIfNull(document);
        ArgumentException.ThrowIfNullOrEmpty(path);
        using FileStream file = File.Create(path);
        Write(document, file);
    }

    /// <inheritdoc cref="Write(ProfileDocument, string)"/>
    public static void Write(ProfileDocument document, Stream stream)
    {
        ArgumentNullException.ThrowIfNull(document);
        ArgumentNullException.ThrowIfNull(stream);
        using Utf8JsonWriter json = new(stream);
        json.WriteStartObject();
        WriteOrigin(json, document);
        json.WriteStartArray("traceEvents");
        string[] tracks = [.. document.Events.Select(span => span.Track).Distinct()];
        WriteNames(json, document, tracks);
        WriteFrames(json, document);
        WriteSpans(json, document, tracks);
        WriteMemory(json, "memory by use", document.Memory.Times, document.Memory.Use);
        WriteMemory(json, "memory by arena", document.Memory.Times, document.Memory.Arenas);
        WriteMemory(json, "allocated by tag", document.Memory.Times, document.Memory.AllocatedByTag);
        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void WriteOrigin(Utf8JsonWriter json, ProfileDocument document)
    {
        json.WriteStartObject("otherData");
        json.WriteString("application", document.Application);
        json.WriteString("machine", document.Machine);
        json.WriteString("began", document.Began);
        json.WriteEndObject();
    }

    private static void WriteNames(Utf8JsonWriter json, ProfileDocument document, string[] tracks)
    {
        WriteName(json, "process_name", FramesThread, document.Application);
        WriteName(json, "thread_name", FramesThread, "frames");
        for (int index = 0; index < tracks.Length; index++)
            WriteName(json, "thread_name", FirstTrackThread + index, tracks[index]);
    }

    private static void WriteName(Utf8JsonWriter json, string kind, int thread, string name)
    {
        Begin(json, "M", kind, thread, 0);
        json.WriteStartObject("args");
        json.WriteString("name", name);
        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static void WriteFrames(Utf8JsonWriter json, ProfileDocument document)
    {
        ProfileFrames frames = document.Frames;
        Dictionary<long, string> hitches = [];
        foreach (ProfileDocument.Hitch hitch in document.Hitches)
            hitches[hitch.Frame] = hitch.Reason;

        for (int index = 0; index < frames.Nanoseconds.Count; index++)
        {
            Begin(json, "X", "frame", FramesThread, frames.Starts[index]);
            json.WriteNumber("dur", Microseconds(frames.Nanoseconds[index]));
            json.WriteStartObject("args");
            json.WriteNumber("frame", frames.First + index);
            if (hitches.TryGetValue(frames.First + index, out string? reason))
                json.WriteString("hitch", reason);

            json.WriteEndObject();
            json.WriteEndObject();
            WriteFrameCounters(json, frames, index);
        }
    }

    /// <summary>Viewers draw a counter's value until the next one, so repeated values are left out.</summary>
    private static void WriteFrameCounters(Utf8JsonWriter json, ProfileFrames frames, int index)
    {
        foreach (ProfileTable.Column column in s_frameCounters)
        {
            IReadOnlyList<long> values = frames[column.Name];
            if (index >= values.Count || (index != 0 && values[index] == values[index - 1]))
                continue;

            Begin(json, "C", column.Title, FramesThread, frames.Starts[index]);
            json.WriteStartObject("args");
            json.WriteNumber("in the frame", values[index]);
            json.WriteEndObject();
            json.WriteEndObject();
        }
    }

    private static void WriteSpans(Utf8JsonWriter json, ProfileDocument document, string[] tracks)
    {
        int id = 0;
        foreach (ProfileDocument.TrackEvent span in document.Events)
        {
            int thread = FirstTrackThread + Array.IndexOf(tracks, span.Track);
            if (span.Nanoseconds == 0)
            {
                Begin(json, "i", span.Name, thread, span.StartNanoseconds);
                json.WriteString("s", "t");
                json.WriteEndObject();
                continue;
            }

            id++;
            WriteSpanEdge(json, "b", span, thread, span.StartNanoseconds, id);
            WriteSpanEdge(json, "e", span, thread, span.StartNanoseconds + span.Nanoseconds, id);
        }
    }

    private static void WriteSpanEdge(
        Utf8JsonWriter json, string phase, ProfileDocument.TrackEvent span, int thread, long nanoseconds, int id)
    {
        Begin(json, phase, span.Name, thread, nanoseconds);
        json.WriteString("cat", span.Track);
        json.WriteNumber("id", id);
        json.WriteEndObject();
    }

    private static void WriteMemory(
        Utf8JsonWriter json, string name, IReadOnlyList<long> times, IReadOnlyList<ProfileSeries.Curve> curves)
    {
        string[] names = UniqueNames(curves);
        for (int index = 0; index < times.Count && curves.Count > 0; index++)
        {
            Begin(json, "C", name, FramesThread, times[index]);
            json.WriteStartObject("args");
            for (int curve = 0; curve < names.Length; curve++)
                json.WriteNumber(names[curve], curves[curve].Values[index]);

            json.WriteEndObject();
            json.WriteEndObject();
        }
    }

    /// <summary>Arenas may share a name; fields of an object may not.</summary>
    private static string[] UniqueNames(IReadOnlyList<ProfileSeries.Curve> curves)
    {
        Dictionary<string, int> uses = [];
        string[] names = new string[curves.Count];
        for (int index = 0; index < names.Length; index++)
        {
            string name = curves[index].Name;
            int use = uses[name] = uses.GetValueOrDefault(name) + 1;
            names[index] = use == 1 ? name : $"{name} ({use})";
        }

        return names;
    }

    /// <summary>The fields that every event has.</summary>
    private static void Begin(Utf8JsonWriter json, string phase, string name, int thread, long nanoseconds)
    {
        json.WriteStartObject();
        json.WriteString("name", name);
        json.WriteString("ph", phase);
        json.WriteNumber("pid", ProcessId);
        json.WriteNumber("tid", thread);
        json.WriteNumber("ts", Microseconds(nanoseconds));
    }

    private static decimal Microseconds(long nanoseconds) => nanoseconds / 1000m;
}
