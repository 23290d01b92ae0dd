using System.Diagnostics;
using System.Globalization;
using System.Text;

namespace Engine.Tests.Reports.Support;

/// <summary>The profiler in a pseudo-terminal, which "script" of util-linux makes, and the screen that somebody would
/// see.</summary>
internal sealed class Terminal : IDisposable
{
    private const string Script = "/usr/bin/script";
    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(2);
    private readonly Process _process;
    private readonly Task _reading;
    private readonly Lock _lock = new();
    private readonly TerminalScreen _screen;

    private Terminal(int width, int height, string variables, string[] arguments)
    {
        _screen = new TerminalScreen(width, height);
        string profiler = Path.Combine(AppContext.BaseDirectory, "Profiler");

        // A shell that runs the tests in its background has them ignore the interrupt, and what they start inherits
        // that.
        string command = string.Create(
            CultureInfo.InvariantCulture,
            $"tty; stty cols {width} rows {height}; exec env --default-signal=INT {variables} '{profiler}' "
            + $"{string.Join(' ', arguments)}");
        ProcessStartInfo start = new(Script, ["-qec", command, "/dev/null"])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            StandardOutputEncoding = Encoding.UTF8,
        };
        start.Environment["TERM"] = "xterm-256color";
        start.Environment["SHELL"] = "/bin/sh";
        start.Environment.Remove("NO_COLOR");
        _process = Process.Start(start)!;
        _reading =
            Task.Factory.StartNew(Read, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
    }

    /// <summary>Starts the profiler, or ends the test as skipped where there is no pseudo-terminal for it.</summary>
    /// <param name="width">The terminal's columns.</param>
    /// <param name="height">Its rows.</param>
    /// <param name="variables">Environment variables as the shell wants them.</param>
    /// <param name="arguments">The profiler's arguments.</param>
    public static Terminal StartProfiler(int width, int height, string variables, params string[] arguments)
    {
        if (!File.Exists(Script))
        {
            Assert.Ignore(
                $"There is no {Script} here, which makes a pseudo-terminal: it is part of util-linux (Debian's "
                + "package bsdutils).");
        }

        return new Terminal(width, height, variables, arguments);
    }

    /// <summary>Looks at the screen.</summary>
    public T See<T>(Func<TerminalScreen, T> look)
    {
        lock (_lock)
            return look(_screen);
    }

    /// <summary>Waits until the screen is as asked.</summary>
    public void Await(Func<TerminalScreen, bool> isThere)
    {
        long began = Stopwatch.GetTimestamp();
        while (!See(isThere))
        {
            if (_reading.IsCompleted || Stopwatch.GetElapsedTime(began) > s_patience)
            {
                Assert.Fail(
                    "It never came on the screen, which "
                    + $"shows:\n{See(screen => screen.IsSecond ? screen.Second : screen.First)}");
            }

            Thread.Sleep(20);
        }
    }

    /// <summary>Presses a key.</summary>
    /// <param name="key">What the terminal sends for it.</param>
    public void Press(string key)
    {
        _process.StandardInput.Write(key);
        _process.StandardInput.Flush();
    }

    /// <summary>Gives the terminal another size, as its window would; the screen here keeps the one it had.</summary>
    public void Resize(int width, int height)
    {
        string device = See(screen => screen.First).Split('\n')[0];
        using Process resize =
            Process.Start(
            "stty", ["-F", device, "cols", width.ToString(CultureInfo.InvariantCulture), "rows",
            height.ToString(CultureInfo.InvariantCulture)]);
        resize.WaitForExit();
        Assert.That(resize.ExitCode, Is.Zero, device);
    }

    /// <summary>Waits for the end.</summary>
    public int ExitCode()
    {
        if (!_process.WaitForExit(s_patience))
            Assert.Fail($"The profiler did not end. The screen shows:\n{See(screen => screen.Second)}");

        _reading.GetAwaiter().GetResult();
        return _process.ExitCode;
    }

    public void Dispose()
    {
        if (!_process.HasExited)
        {
            _process.Kill(entireProcessTree: true);
            _process.WaitForExit();
        }

        _process.Dispose();
    }

    private void Read()
    {
        Span<char> text = stackalloc char[4096];
        for (int count = _process.StandardOutput.Read(text); count > 0; count = _process.StandardOutput.Read(text))
        {
            lock (_lock)
            {
                foreach (char character in text[..count])
                    _screen.Write(character);
            }
        }
    }
}
