using System.Text.Json;
using Engine.Tests.Reports.Support;

namespace Engine.Tests.Reports;

/// <summary>The trace read back by the rules of the Trace Event Format.</summary>
internal sealed class TraceFileTests
{
    private static readonly ProfileDocument s_profile = SampleProfile.Create(frames: 2000, SampleProfile.HostileName);
    private JsonElement[] _events = [];
    private JsonDocument? _trace;

    [SetUp]
    public void Write()
    {
        using MemoryStream stream = new();
        TraceFile.Write(s_profile, stream);
        _trace = JsonDocument.Parse(stream.ToArray());
        _events = [.. _trace.RootElement.GetProperty("traceEvents").EnumerateArray()];
    }

    [TearDown]
    public void Close() => _trace?.Dispose();

    [Test]
    public void Every_event_has_a_name_a_phase_a_process_a_thread_and_a_time()
    {
        foreach (JsonElement item in _events)
        {
            Assert.That(item.GetProperty("name").GetString(), Is.Not.Empty);
            Assert.That(item.GetProperty("ph").GetString(), Is.AnyOf("M", "X", "C", "b", "e", "i"));
            Assert.That(item.GetProperty("pid").GetInt32(), Is.EqualTo(1));
            Assert.That(item.GetProperty("tid").GetInt32(), Is.Positive);
            Assert.That(item.GetProperty("ts").GetDecimal(), Is.GreaterThanOrEqualTo(0m));
        }
    }

    [Test]
    public void Every_thread_has_a_name()
    {
        int[] named = [.. Of("M").Where(item => item.GetProperty("name").GetString() == "thread_name").Select(Thread)];
        Assert.That(named, Is.Unique.And.EquivalentTo(_events.Select(Thread).Distinct()));
        Assert.That(Of("M").Single(item =>
            item.GetProperty("name").GetString() == "process_name").GetProperty("args").GetProperty(
            "name").GetString(), Is.EqualTo(s_profile.Application));
    }

    [Test]
    public void Frames_are_in_microseconds_one_after_the_other_and_hitches_say_why()
    {
        JsonElement[] frames = [.. Of("X")];
        Assert.That(frames, Has.Length.EqualTo(2000));
        decimal end = 0;
        for (int index = 0; index < frames.Length; index++)
        {
            decimal begin = frames[index].GetProperty("ts").GetDecimal();
            Assert.That(begin, Is.EqualTo(s_profile.Frames.Starts[index] / 1000m).And.GreaterThanOrEqualTo(end));
            end = begin + frames[index].GetProperty("dur").GetDecimal();
            Assert.That(
                end, Is.EqualTo((s_profile.Frames.Starts[index] + s_profile.Frames.Nanoseconds[index]) / 1000m));
        }

        Assert.That(
            frames[500].GetProperty("args").GetProperty("hitch").GetString(), Is.EqualTo(s_profile.Hitches[0].Reason));
    }

    [Test]
    public void Every_span_that_begins_ends_and_those_that_overlap_are_kept_apart()
    {
        JsonElement[] begins = [.. Of("b")];
        Assert.That(begins, Has.Length.EqualTo(2));
        Assert.That(begins.Select(item => item.GetProperty("id").GetInt32()), Is.Unique);
        foreach (JsonElement begin in begins)
        {
            JsonElement end = Of("e").Single(item =>
                item.GetProperty("id").GetInt32() == begin.GetProperty("id").GetInt32());
            Assert.That(end.GetProperty("cat").GetString(), Is.EqualTo(begin.GetProperty("cat").GetString()));
            Assert.That(end.GetProperty("name").GetString(), Is.EqualTo(begin.GetProperty("name").GetString()));
            Assert.That(end.GetProperty("ts").GetDecimal(), Is.GreaterThan(begin.GetProperty("ts").GetDecimal()));
        }
    }

    [Test]
    public void Counters_carry_the_values_of_the_profile()
    {
        JsonElement[] memory = [.. Counters("memory by arena")];
        Assert.That(memory, Has.Length.EqualTo(s_profile.Memory.Times.Count));
        Assert.That(memory.Select(item =>
            item.GetProperty("args").GetProperty(SampleProfile.HostileName).GetInt64()),
            Is.EqualTo(s_profile.Memory.Arenas[0].Values));

        // Drawn as it was until the next value.
        Dictionary<decimal, long> faults = Counters("page faults").ToDictionary(
            item => item.GetProperty("ts").GetDecimal(), item =>
                item.GetProperty("args").GetProperty("in the frame").GetInt64());
        long seen = 0;
        for (int index = 0; index < s_profile.Frames.Starts.Count; index++)
        {
            seen = faults.GetValueOrDefault(s_profile.Frames.Starts[index] / 1000m, seen);
            Assert.That(seen, Is.EqualTo(s_profile.Frames["page_faults"][index]));
        }
    }

    [Test]
    public void Arenas_of_one_name_stay_apart()
    {
        ProfileSeries.Curve[] twins = [new("twin", [1, 2]), new("twin", [3, 4])];
        using MemoryStream stream = new();
        TraceFile.Write(
            SampleProfile.Empty with { Memory = new ProfileSeries { Times = [0, 10], Arenas = twins } }, stream);
        using JsonDocument trace = JsonDocument.Parse(stream.ToArray());
        JsonElement values = trace.RootElement.GetProperty("traceEvents").EnumerateArray().Last(item =>
            item.GetProperty("ph").GetString() == "C").GetProperty("args");
        Assert.That(values.EnumerateObject().Select(value =>
            (value.Name, value.Value.GetInt64())), Is.EqualTo(new[] { ("twin", 2L), ("twin (2)", 4L) }));
    }

    private static int Thread(JsonElement item) => item.GetProperty("tid").GetInt32();

    private IEnumerable<JsonElement> Of(string phase) => _events.Where(item =>
        item.GetProperty("ph").GetString() == phase);

    private IEnumerable<JsonElement> Counters(string name) => Of("C").Where(item =>
        item.GetProperty("name").GetString() == name);
}
