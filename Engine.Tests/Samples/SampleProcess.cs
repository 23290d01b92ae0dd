using System.Diagnostics;

namespace Engine.Tests.Samples;

/// <summary>Runs a sample as a user would, as a process, and keeps what it printed. The build puts the samples beside
/// the tests.</summary>
internal sealed record SampleProcess(int ExitCode, string Output, string Error)
{
    /// <summary>For a process that hangs. Beside busy processes one that does not took more than ten minutes.</summary>
    private const int PatienceMilliseconds = 1_800_000;

    public static SampleProcess Run(string sample, params string[] arguments) => Run(sample, arguments, []);

    /// <summary>The same in a runtime that takes the machine for one with so many processors.</summary>
    public static SampleProcess Run(string sample, string[] arguments, int processors) =>
        Run(sample, arguments, [("DOTNET_PROCESSOR_COUNT", $"{processors:x}")]);

    /// <summary>The same with environment variables.</summary>
    public static SampleProcess Run(
        string sample, string[] arguments, params (string Name, string Value)[] variables)
    {
        string file = Path.Combine(AppContext.BaseDirectory, OperatingSystem.IsWindows() ? sample + ".exe" : sample);
        var start =
            new ProcessStartInfo(file, arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach ((string name, string value) in variables)
            start.Environment[name] = value;

        using Process process = Process.Start(start)!;
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        Task<string> error = process.StandardError.ReadToEndAsync();
        if (!process.WaitForExit(PatienceMilliseconds))
        {
            process.Kill(entireProcessTree: true);
            Assert.Fail($"{sample} {string.Join(' ', arguments)} did not end.");
        }

        return new SampleProcess(process.ExitCode, output.Result, error.Result);
    }

    /// <summary>
    /// Runs a sample that fails when a page of its memory faults: the kernel may take pages away from any process at
    /// any time, so it may try three times.
    /// </summary>
    public static SampleProcess RunUndisturbed(
        string sample, string[] arguments, params (string Name, string Value)[] variables)
    {
        SampleProcess run = Run(sample, arguments, variables);
        for (int again = 0; again < 2 && run.ExitCode == 1; again++)
        {
            TestContext.Out.WriteLine(run.Error + run.Output);
            run = Run(sample, arguments, variables);
        }

        return run;
    }

    public void MustBeBadInput(string message)
    {
        using (Assert.EnterMultipleScope())
        {
            Assert.That(ExitCode, Is.EqualTo(2), Error);
            Assert.That(Error, Does.StartWith("error: ").And.Contains(message));
            Assert.That(Error.TrimEnd().Split('\n'), Has.Length.EqualTo(1), "one line, not a page");
        }
    }
}
