using System.Diagnostics;

namespace Engine.Tests.Reports.Support;

/// <summary>A program beside the tests, as a process: the watched one, or the profiler that watches it.</summary>
internal sealed class ChildProgram : IDisposable
{
    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(2);
    private readonly Process _process;
    private readonly Task<string> _error;

    private ChildProgram(string program, string[] arguments)
    {
        string file = Path.Combine(AppContext.BaseDirectory, OperatingSystem.IsWindows() ? program + ".exe" : program);
        _process = Process.Start(new ProcessStartInfo(file, arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        _error = _process.StandardError.ReadToEndAsync();
    }

    public int Id => _process.Id;

    /// <summary>This assembly's own program.</summary>
    public const string Target = "Engine.Tests.Reports";

    /// <summary>Starts this assembly's own program and waits until it is ready.</summary>
    /// <param name="kind">What it does: "game" or "idle".</param>
    /// <param name="program">The program, or a copy of it under another name.</param>
    public static ChildProgram StartTarget(string kind, string program = Target)
    {
        ChildProgram target = new(program, [kind]);
        Assert.That(target._process.StandardOutput.ReadLine(), Is.EqualTo("ready"));
        return target;
    }

    /// <summary>Starts the profiler.</summary>
    public static ChildProgram StartProfiler(params string[] arguments) => new("Profiler", arguments);

    /// <summary>Runs the profiler to its end.</summary>
    public static (int ExitCode, string Output, string Error) RunProfiler(params string[] arguments)
    {
        using ChildProgram profiler = StartProfiler(arguments);
        return profiler.Result();
    }

    /// <summary>Waits for a line of its output.</summary>
    public string? ReadLine() => _process.StandardOutput.ReadLine();

    /// <summary>Waits for its end.</summary>
    public (int ExitCode, string Output, string Error) Result()
    {
        Task<string> output = _process.StandardOutput.ReadToEndAsync();
        if (!_process.WaitForExit(s_patience))
        {
            Assert.Fail(
                $"{_process.StartInfo.FileName} {string.Join(' ', _process.StartInfo.ArgumentList)} did not end.");
        }

        return (_process.ExitCode, output.Result, _error.Result);
    }

    public void Kill() => _process.Kill();

    /// <summary>Sends a signal.</summary>
    /// <param name="name">Its name, such as STOP.</param>
    public void Signal(string name)
    {
        using Process kill = Process.Start("kill", ["-" + name, $"{Id}"]);
        kill.WaitForExit();
    }

    /// <summary>Sends a signal again and again until the process has ended.</summary>
    public void SignalUntilEnd(string name)
    {
        long began = Stopwatch.GetTimestamp();
        while (!_process.WaitForExit(TimeSpan.FromSeconds(0.1)) && Stopwatch.GetElapsedTime(began) < s_patience)
            Signal(name);
    }

    public void Dispose()
    {
        if (!_process.HasExited)
        {
            _process.Kill();
            _process.WaitForExit();
        }

        _process.Dispose();
    }
}
