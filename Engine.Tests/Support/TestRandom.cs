namespace Engine.Tests.Support;

/// <summary>Random numbers that a failed test can be repeated with: the seed is printed, and taken from
/// ENGINE_TEST_SEED if that is set.</summary>
internal static class TestRandom
{
    /// <summary>A seed for this test run, printed to the test's output.</summary>
    public static int Seed()
    {
        int seed = int.TryParse(Environment.GetEnvironmentVariable("ENGINE_TEST_SEED"), out int given) ? given
            : Environment.TickCount & 0xFFFFFF;
        TestContext.Out.WriteLine($"Repeat with ENGINE_TEST_SEED={seed}");
        return seed;
    }

    public static Random Create() => new(Seed());

    /// <summary>A size that is small far more often than large: uniform in its logarithm, from 1 byte to
    /// 2^<paramref name="bits"/>.</summary>
    public static nuint NextSize(this Random random, int bits) =>
        (nuint)random.NextInt64(1, (2L << random.Next(bits)) + 1);
}
