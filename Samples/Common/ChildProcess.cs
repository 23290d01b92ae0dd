using System.Diagnostics;

namespace Samples.Common;

/// <summary>
/// Runs this same program again as a child and gives what it printed. A measurement in a process of its own inherits
/// nothing: no heap another row has grown, and its peak of resident memory is its own.
/// </summary>
public static class ChildProcess
{
    /// <summary>
    /// Runs the program with the arguments, writes <paramref name="input"/> to its standard input, and gives its
    /// standard output. What it writes to standard error passes through, but for the line that says why it failed.
    /// </summary>
    /// <exception cref="RunFailedException">It could not be started, or ended with another exit code than
    /// 0.</exception>
    /// <exception cref="BadInputException">It ended with exit code 2.</exception>
    public static string Run(IEnumerable<string> arguments, string input)
    {
        using Process child = Start(arguments);
        Task<string> output = child.StandardOutput.ReadToEndAsync();
        Task<string> complaint = child.StandardError.ReadToEndAsync();
        Feed(child, input);
        child.WaitForExit();
        string reason = PassOnWarnings(complaint.Result, isAll: child.ExitCode == ExitCodes.Success);
        return child.ExitCode switch
        {
            ExitCodes.Success => output.Result,
            ExitCodes.BadInput => throw new BadInputException(Line(reason, child.ExitCode)),
            _ => throw new RunFailedException(Line(reason, child.ExitCode)),
        };
    }

    /// <returns>What is left: why the child failed.</returns>
    private static string PassOnWarnings(string complaint, bool isAll)
    {
        List<string> left = [];
        foreach (string line in complaint.Split('\n'))
        {
            if (line.Length > 0 && (isAll || line.StartsWith("warning: ", StringComparison.Ordinal)))
                Console.Error.WriteLine(line.TrimEnd());
            else
                left.Add(line);
        }

        return string.Join('\n', left);
    }

    private static Process Start(IEnumerable<string> arguments)
    {
        var start = new ProcessStartInfo(
            Environment.ProcessPath ?? throw new RunFailedException("This process does not know its own path."))
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };

        // Started as "dotnet Sample.dll", the process is dotnet, and the program is its first argument.
        if (Path.GetFileNameWithoutExtension(start.FileName).Equals("dotnet", StringComparison.OrdinalIgnoreCase))
            start.ArgumentList.Add(Path.GetFullPath(Environment.GetCommandLineArgs()[0]));

        foreach (string argument in arguments)
            start.ArgumentList.Add(argument);

        return Process.Start(start) ?? throw new RunFailedException($"'{start.FileName}' could not be started.");
    }

    private static void Feed(Process child, string input)
    {
        try
        {
            child.StandardInput.Write(input);
            child.StandardInput.Close();
        }
        catch (IOException)
        {
            // A child that ended without reading its input says why by its exit code and its own message.
        }
    }

    private static string Line(string complaint, int code)
    {
        string line = complaint.Trim().ReplaceLineEndings(" ");
        const string Prefix = "error: ";
        return line.Length == 0 ? $"the measuring process ended with exit code {code}"
            : line.StartsWith(Prefix, StringComparison.Ordinal) ? line[Prefix.Length..]
            : line;
    }
}
