using System.Diagnostics;

namespace Engine.Tests.Support;

/// <summary>Runs commands of the .NET SDK, and programs, in a folder.</summary>
/// <param name="folder">Where they run.</param>
internal sealed class DotnetCommand(string folder)
{
    /// <summary>Environment variables of the commands.</summary>
    public Dictionary<string, string> Environment { get; } = new()
    {
        ["DOTNET_CLI_TELEMETRY_OPTOUT"] = "1",
        ["MSBUILDDISABLENODEREUSE"] = "1",
    };

    /// <summary>Runs one and returns what it printed.</summary>
    /// <exception cref="AssertionException">Its exit code was not 0.</exception>
    public string Run(params IEnumerable<string> arguments) => RunProgram("dotnet", arguments);

    /// <inheritdoc cref="Run"/>
    public string RunProgram(string program, params IEnumerable<string> arguments)
    {
        ProcessStartInfo start = new(program, arguments)
        {
            WorkingDirectory = folder,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach ((string name, string value) in Environment)
            start.Environment[name] = value;

        // What the test host's own build handed down is not the command's.
        start.Environment.Remove("MSBuildSDKsPath");
        start.Environment.Remove("MSBUILD_EXE_PATH");
        using Process run = Process.Start(start)!;
        Task<string> errors = run.StandardError.ReadToEndAsync();
        string output = run.StandardOutput.ReadToEnd();
        run.WaitForExit();
        Assert.That(
            run.ExitCode, Is.Zero, $"{program} {string.Join(' ', start.ArgumentList)}\n{output}{errors.Result}");
        return output;
    }
}
