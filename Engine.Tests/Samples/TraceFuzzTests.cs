using Engine.Tests.Fuzzing;
using Engine.Tests.Support;
using Samples.Common;
using Samples.GameReplay.Learning;
using Samples.GameReplay.Tracing;

namespace Engine.Tests.Samples;

/// <summary>Whatever bytes come as a recorded trace, it is read to its end or refused in one line: no other exception,
/// no hang.</summary>
internal sealed class TraceFuzzTests
{
    [Test]
    [Category(Lane.Slow)]
    public void A_trace_is_read_to_its_end_or_refused_in_one_line()
    {
        Random random = TestRandom.Create();
        ByteMutator mutator = new(random, Fuzzer.Corpus("traces.txt"));
        new Fuzzer(partPercent: 25, inputs: 30_000).Run(() => Next(random, mutator), Read);
    }

    /// <summary>Mostly the damage is inside the compressed stream; now and then it is in the stream itself.</summary>
    private static byte[] Next(Random random, ByteMutator mutator)
    {
        byte[] packed = TraceWriter.Pack(mutator.Next());
        return random.Next(5) == 0 ? new ByteMutator(random, [packed]).Next() : packed;
    }

    private static bool Read(byte[] file)
    {
        try
        {
            TraceLearner.Learn(new MemoryStream(file), "t");
            return true;
        }
        catch (BadInputException refused)
        {
            return refused.Message.StartsWith("t: ", StringComparison.Ordinal) && !refused.Message.Contains('\n')
                ? false
                : throw new AssertionException($"not one line that begins with the trace's name: {refused.Message}");
        }
    }
}
