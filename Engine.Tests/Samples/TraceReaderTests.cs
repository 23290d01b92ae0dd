using System.IO.Compression;
using Engine.Tests.Support;
using Samples.Common;
using Samples.GameReplay.Learning;
using Samples.GameReplay.Tracing;

namespace Engine.Tests.Samples;

/// <summary>Every way in which a trace can be wrong is told in one exact line; whatever else is tried ends in such a
/// line too.</summary>
[TestFixture]
internal sealed class TraceReaderTests
{
    // The header of the traces below: magic, version and four counts of one byte each.
    private const int HeaderBytes = 9;

    private static IEnumerable<TestCaseData> Malformed()
    {
        yield return Case(
            "wrong magic", "t: header, byte 3: not an allocation trace: it does not begin with 'ATRC'",
            Bytes('A', 'T', 'X', 'C', 1, 0, 0, 0, 0));
        yield return Case(
            "wrong version", "t: header, byte 5: version 2, this reader knows version 1",
            Bytes('A', 'T', 'R', 'C', 2, 0, 0, 0, 0));
        yield return Case("cut header", "t: header, byte 7: the file ends here", Bytes('A', 'T', 'R', 'C', 1, 0, 0));
        yield return Case("no opcode 0", "t: record 1 of 1, byte 9: there is no opcode 0x00", File(1, 1, 0, 0, 0));
        yield return Case("no opcode 8", "t: record 1 of 1, byte 9: there is no opcode 0x08", File(1, 1, 0, 0, 8));
        yield return Case(
            "long number", "t: record 1 of 1, byte 9: a number that is not in its shortest form",
            File(1, 1, 0, 1, 1, 0x85, 0));
        yield return Case(
            "huge number",
            "t: record 1 of 1, byte 9: a number of more than 64 bits",
            File(1, 1, 0, 1, 1, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 2));
        yield return Case("cut record", "t: record 1 of 1, byte 9: the file ends here", File(1, 1, 0, 1, 1));
        yield return Case("missing record", "t: record 2 of 2, byte 11: the file ends here", File(2, 1, 0, 1, 1, 5));
        yield return Case(
            "bytes at the end", "t: record 1 of 1, byte 11: there are bytes after the last record",
            File(1, 1, 0, 1, 1, 5, 6));
        yield return Case(
            "back 0", "t: record 2 of 2, byte 11: it reaches back 0 blocks, and 1 have been allocated",
            File(2, 1, 0, 1, 1, 5, 3, 0));
        yield return Case(
            "back below 0", "t: record 2 of 2, byte 11: it reaches back 2 blocks, and 1 have been allocated",
            File(2, 1, 0, 1, 1, 5, 3, 2));
        yield return Case(
            "double free", "t: record 3 of 3, byte 13: block 0 is not live any more",
            File(3, 1, 0, 1, 1, 5, 3, 1, 3, 1));
        yield return Case(
            "resize of a freed block", "t: record 3 of 3, byte 13: block 0 is not live any more",
            File(3, 1, 0, 1, 1, 5, 3, 1, 4, 1, 9));
        yield return Case(
            "resize to 0", "t: record 2 of 2, byte 11: a Realloc to 0 bytes", File(2, 1, 0, 1, 1, 5, 4, 1, 0));
        yield return Case(
            "alignment 3", "t: record 1 of 1, byte 9: the alignment 3 is not a power of two",
            File(1, 1, 0, 1, 2, 5, 3));
        yield return Case(
            "alignment 0", "t: record 1 of 1, byte 9: the alignment 0 is not a power of two",
            File(1, 1, 0, 1, 2, 5, 0));
        yield return Case(
            "thread again", "t: record 1 of 2, byte 9: a Thread record for thread 0, which is already the current one",
            File(2, 1, 1, 0, 5, 0, 6));
        yield return Case(
            "thread skipped", "t: record 1 of 2, byte 9: thread 2 appears before thread 1", File(2, 3, 1, 0, 5, 2, 6));
        yield return Case(
            "two thread records", "t: record 2 of 3, byte 11: two Thread records in a row",
            File(3, 2, 1, 0, 5, 1, 5, 0, 6));
        yield return Case(
            "thread at the end", "t: record 2 of 2, byte 10: a Thread record is the last record",
            File(2, 2, 1, 0, 6, 5, 1));
        yield return Case(
            "too many frames", "t: record 2 of 2, byte 10: a Frame record more than the 1 the header promises",
            File(2, 1, 1, 0, 6, 6));
        yield return Case(
            "too few frames", "t: record 1 of 1, byte 10: the header promises 2 frames, the records hold 1",
            File(1, 1, 2, 0, 6));
        yield return Case(
            "too few blocks", "t: record 1 of 1, byte 11: the header promises 2 blocks, the records hold 1",
            File(1, 1, 0, 2, 1, 5));
        yield return Case(
            "too many blocks", "t: record 1 of 1, byte 11: the header promises 0 blocks, the records hold 1",
            File(1, 1, 0, 0, 1, 5));
        yield return Case(
            "too few threads", "t: record 1 of 1, byte 10: the header promises 2 threads, the records hold 1",
            File(1, 2, 1, 0, 6));
    }

    [TestCaseSource(nameof(Malformed))]
    public void Malformed_traces_are_told_exactly(byte[] unpacked, string message) =>
        Assert.That(() =>
            Learn(TraceWriter.Pack(unpacked)), Throws.TypeOf<TraceFormatException>().With.Message.EqualTo(message));

    [Test]
    public void Files_that_are_no_gzip_are_told()
    {
        using (Assert.EnterMultipleScope())
        {
            Assert.That(() =>
                Learn([]), Throws.TypeOf<TraceFormatException>().With.Message.EqualTo("t: the file is empty"));
            Assert.That(
                () => Learn("ATRC"u8.ToArray()),
                Throws.TypeOf<TraceFormatException>().With.Message.EqualTo(
                    "t: not a gzip file: it does not begin with the bytes 1F 8B"));
        }
    }

    [Test]
    public void A_gzip_file_cut_anywhere_is_refused()
    {
        byte[] file = Small().ToFile();
        for (int length = 0; length < file.Length; length++)
        {
            byte[] cut = file[..length];
            Assert.That(() =>
                Learn(cut), Throws.TypeOf<TraceFormatException>(), $"cut to {length} of {file.Length} bytes");
        }
    }

    [Test]
    public void Any_changed_byte_is_refused_or_harmless()
    {
        byte[] unpacked = Small().ToBytes();
        for (int place = 0; place < unpacked.Length; place++)
        {
            for (int bit = 0; bit < 8; bit++)
            {
                byte[] changed = [.. unpacked];
                changed[place] ^= (byte)(1 << bit);
                try
                {
                    Learn(TraceWriter.Pack(changed));
                }
                catch (BadInputException)
                {
                    // The expected end; anything else fails the test.
                }
            }
        }
    }

    [Test]
    public void A_header_that_promises_the_moon_takes_no_memory()
    {
        byte[] file =
            TraceWriter.Pack(Small().ToBytes(new TraceHeader(ulong.MaxValue, 1000, ulong.MaxValue, ulong.MaxValue)));
        long before = GC.GetAllocatedBytesForCurrentThread();
        Assert.That(() => Learn(file), Throws.TypeOf<TraceFormatException>());
        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.LessThan(4_000_000));
    }

    [Test]
    public void More_threads_than_can_be_played_are_refused()
    {
        var trace = new TraceWriter();
        for (int thread = 1; thread <= TraceFormat.MaxThreads; thread++)
        {
            trace.Thread(thread);
            trace.Alloc(1);
        }

        Assert.That(() =>
            Learn(trace.ToFile()),
            Throws.TypeOf<TraceFormatException>().With.Message.Contains("more than 1024 threads"));
    }

    [Test]
    public void An_empty_trace_is_a_trace() => Assert.That(Learn(new TraceWriter().ToFile()).Frames, Is.Zero);

    [Test]
    [Category(Lane.Slow)]
    public void The_embedded_traces_are_in_order(
        [ValueSource(typeof(TraceFile), nameof(TraceFile.EmbeddedNames))] string name)
    {
        TraceProfile profile = TraceLearner.Learn(TraceFile.Find(name).Open(), name);
        Assert.That(profile.Frames, Is.GreaterThan(600));
    }

    private static TraceProfile Learn(byte[] file) => TraceLearner.Learn(new MemoryStream(file), "t");

    private static TraceWriter Small()
    {
        var trace = new TraceWriter();
        ulong first = trace.Alloc(1000);
        trace.AllocAligned(300, 64);
        trace.Frame();
        trace.Thread(1);
        trace.AllocZeroed(5);
        trace.Realloc(first, 70_000);
        trace.Frame();
        trace.Free(first);
        return trace;
    }

    private static TestCaseData Case(string name, string message, byte[] unpacked) =>
        new TestCaseData(unpacked, message).SetName($"Malformed: {name}");

    private static byte[] File(byte records, byte threads, byte frames, byte blocks, params byte[] body)
    {
        byte[] file = [.. "ATRC"u8, TraceFormat.Version, records, threads, frames, blocks, .. body];
        Assert.That(file, Has.Length.EqualTo(HeaderBytes + body.Length));
        return file;
    }

    private static byte[] Bytes(params int[] values) => Array.ConvertAll(values, value => (byte)value);
}
