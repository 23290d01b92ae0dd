using System.Diagnostics;
using System.Globalization;
using Engine.Tests.Support;

namespace Engine.Tests.Fuzzing;

/// <summary>
/// Feeds damaged inputs to whatever reads bytes from outside, one after another. What the reader throws beyond what it
/// documents, and an input that it does not come back from, fail the test, which prints the input so that it can join
/// the corpus.
/// <code>
/// ENGINE_FUZZ_INPUTS=2000000 dotnet test -c Release --filter FullyQualifiedName~Fuzzing      # that many in all
/// </code>
/// </summary>
internal sealed class Fuzzer
{
    /// <summary>Far beyond what any input takes, also on a machine that is busy with other things.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private readonly int _inputs;
    private byte[] _current = [];
    private int _done;
    private int _accepted;
    private long _longest;
    private Exception? _failure;

    /// <param name="partPercent">The target's part of ENGINE_FUZZ_INPUTS, percent.</param>
    /// <param name="inputs">How many there are when that is not set.</param>
    public Fuzzer(int partPercent, int inputs) =>
        _inputs =
            int.TryParse(
            Environment.GetEnvironmentVariable("ENGINE_FUZZ_INPUTS"), NumberStyles.None, CultureInfo.InvariantCulture,
            out int all)
            ? (int)((long)all * partPercent / 100)
            : inputs;

    /// <summary>
    /// The inputs that fuzzing begins with, kept beside these tests: Corpus/NAME for each target, one input to a line,
    /// in base 64 where it is not text. An input that once broke something is added there and stays. (Those of plans
    /// are the plans in Scenes.)
    /// </summary>
    public static byte[][] Corpus(string name) => Array.ConvertAll(CorpusLines(name), Convert.FromBase64String);

    /// <summary>The same of a corpus that is text.</summary>
    public static string[] CorpusLines(string name) =>
    [
        .. File.ReadLines(Path.Combine(TestContext.CurrentContext.TestDirectory, "Fuzzing", "Corpus", name))
            .Where(line => !line.StartsWith('#')),
    ];

    /// <summary>Runs all inputs.</summary>
    /// <param name="next">Makes an input.</param>
    /// <param name="read">Reads it. True where it was accepted, false where it was refused as documented; else it
    /// throws.</param>
    public void Run(Func<byte[]> next, Func<byte[], bool> read)
    {
        Thread thread = new(() => RunAll(next, read)) { IsBackground = true };
        thread.Start();
        for (int before = -1; !thread.Join(Patience) && _failure is null; before = Volatile.Read(ref _done))
        {
            Assert.That(Volatile.Read(ref _done), Is.GreaterThan(before), () =>
                $"no answer within {Patience.TotalSeconds} s to {Show(_current)}");
        }

        if (_failure is not null)
            throw new AssertionException($"input {_done}: {_failure}\n{Show(_current)}", _failure);

        TestContext.Out.WriteLine(
            $"{_done:N0} inputs, {_accepted:N0} accepted; the longest took "
            + $"{Stopwatch.GetElapsedTime(0, _longest).TotalMilliseconds:N0} ms.");
        Assert.That(
            _accepted, Is.InRange(_done / 200, _done - (_done / 200)),
            "inputs that are all refused, or all fine, test little");
    }

    private void RunAll(Func<byte[]> next, Func<byte[], bool> read)
    {
        try
        {
            for (; _done < _inputs; Volatile.Write(ref _done, _done + 1))
            {
                _current = next();
                long start = Stopwatch.GetTimestamp();
                _accepted += read(_current) ? 1 : 0;
                _longest = Math.Max(_longest, Stopwatch.GetTimestamp() - start);
            }
        }
        catch (Exception failure)
        {
            _failure = failure;
        }
    }

    private static string Show(byte[] input) => $"{input.Length} bytes, in base 64: {Convert.ToBase64String(input)}";
}
