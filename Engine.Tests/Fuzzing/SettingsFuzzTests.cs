using System.Text;
using Engine.Tests.Support;

namespace Engine.Tests.Fuzzing;

/// <summary>
/// Whatever the environment variables say, they are understood or refused by name. What was understood is tried now and
/// then: the memory is made, or refused as documented.
/// </summary>
internal sealed class SettingsFuzzTests
{
    private const int TriedOnce = 400;
    private static readonly string[] s_names =
        ["ENGINE_MEMORY_RESERVATION", "ENGINE_MEMORY_PREFAULT", "ENGINE_MEMORY_PAGES", "ENGINE_MEMORY_RETAIN"];

    [Test]
    public void Variables_are_understood_or_refused_by_name()
    {
        Random random = TestRandom.Create();
        ByteMutator mutator = new(random, [.. Fuzzer.CorpusLines("settings.txt").Select(Encoding.UTF8.GetBytes)]);
        int understood = 0;
        new Fuzzer(partPercent: 25, inputs: 100_000).Run(mutator.Next, input => Read(input, ref understood));
    }

    /// <summary>An input is the values of the four variables, with a bar between them; what is missing is not
    /// set.</summary>
    private static bool Read(byte[] input, ref int understood)
    {
        string[] values = Encoding.UTF8.GetString(input).Split('|');
        EngineMemoryOptions options;
        try
        {
            options = new EngineMemoryOptions().With(new EnvironmentSettings(name =>
                values.ElementAtOrDefault(Array.IndexOf(s_names, name))));
        }
        catch (EngineMemoryException refused)
        {
            return Array.Exists(s_names, name =>
                refused.Message.StartsWith(name, StringComparison.Ordinal))
                && refused.Message.Contains("Valid are: ", StringComparison.Ordinal)
                ? false
                : throw new AssertionException(
                    $"the refusal does not name a variable and what is valid: {refused.Message}");
        }

        if (++understood % TriedOnce == 0)
            Try(options);

        return true;
    }

    private static void Try(EngineMemoryOptions options)
    {
        try
        {
            using EngineMemory memory = new(options);
            using LongLivedArena arena = memory.CreateLongLivedArena("fuzz");
            arena.AllocateSpan<byte>(100).Fill(1);
            memory.Validate();
        }
        catch (Exception refused) when (refused is ArgumentOutOfRangeException or EngineOutOfMemoryException)
        {
            Assert.That(refused.Message, Has.Length.GreaterThan(30));
        }
    }
}
