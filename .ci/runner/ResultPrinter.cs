using NUnit.Framework.Interfaces;

namespace Engine.Runner;

/// <summary>Counts what became of the tests, and prints those that fail. With ENGINE_RUNNER_VERBOSE=1 each test as it
/// starts, and its seconds.</summary>
internal sealed class ResultPrinter : ITestListener
{
    private readonly TextWriter _output = Console.Out; // NUnit puts its own in place while tests run
    private readonly bool _isVerbose = Environment.GetEnvironmentVariable("ENGINE_RUNNER_VERBOSE") == "1";

    public int PassedCount { get; private set; }

    public int FailedCount { get; private set; }

    public int SkippedCount { get; private set; }

    public void TestStarted(ITest test)
    {
        if (_isVerbose && !test.IsSuite)
            _output.WriteLine(test.FullName);
    }

    public void TestFinished(ITestResult result)
    {
        if (result.Test.IsSuite)
            return;

        if (_isVerbose)
            _output.WriteLine(FormattableString.Invariant($"{result.Duration,8:F1} s {result.FullName}"));

        switch (result.ResultState.Status)
        {
            case TestStatus.Passed or TestStatus.Warning:
                PassedCount++;
                break;
            case TestStatus.Failed:
                FailedCount++;
                _output.WriteLine($"FAILED {result.FullName}\n{result.Message}\n{result.StackTrace}");
                break;
            default:
                SkippedCount++; // of another platform, or a condition of the test that is not met here
                break;
        }
    }

    public void TestOutput(TestOutput output)
    {
    }

    public void SendMessage(TestMessage message)
    {
    }
}
