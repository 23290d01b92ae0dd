namespace Engine.Tests.Support;

/// <summary>
/// Which tests run at each change of the code. The fast lane takes some minutes on two processors and has tests
/// of every subject:
/// <code>
/// dotnet test -c Release --filter Category!=Slow
/// </code>
/// Without the filter everything runs.
/// </summary>
internal static class Lane
{
    /// <summary>
    /// A category: tests that take long because they try every case (each call that may fail, each order of threads'
    /// steps, thousands of programs) or wait for a watch of seconds. What they find is seldom what the last hour's work
    /// broke.
    /// </summary>
    public const string Slow = "Slow";

    /// <summary>
    /// Skips a case whose subject other cases have as well, at a fraction of its time. <c>CI_ALL=1</c>, before a
    /// release, runs all.
    /// </summary>
    public static void SkipUnlessAll(bool isCostly = true)
    {
        if (isCostly && Environment.GetEnvironmentVariable("CI_ALL") is null or "")
            Assert.Ignore("Takes long and finds what other cases find: CI_ALL=1 runs it.");
    }
}
