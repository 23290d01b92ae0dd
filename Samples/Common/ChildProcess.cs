using System.Diagnostics;
using System.Globalization;
using System.IO.Pipes;
using SuperSlab.Diagnostics;

namespace Samples.Common;

/// <summary>
/// Runs this same program again as a child and gives what it printed. A measurement in a process of its own inherits
/// nothing: no heap another row has grown, and its peak of resident memory is its own. It ends when its parent does,
/// however that ends: the child reads a pipe that the parent holds open.
/// </summary>
public static class ChildProcess
{
    private const string PipeVariable = "SAMPLE_PARENT_PIPE";
    private const string CommandVariable = "SAMPLE_COMMAND";
    private const string SamplingVariable = "SAMPLE_CALL_SITES";

    private static string? s_parentCommand;

    /// <summary>What the user called, also in a child, as profiles show it.</summary>
    internal static string UserCommand =>
        s_parentCommand ?? ProfileDocument.CommandText(Environment.GetCommandLineArgs());

    /// <summary>
    /// Runs the program with the arguments, writes <paramref name="input"/> to its standard input, and gives its
    /// standard output. What it writes to standard error passes through, but for the line that says why it failed.
    /// </summary>
    /// <exception cref="RunFailedException">It could not be started, or ended with another exit code than
    /// 0.</exception>
    /// <exception cref="BadInputException">It ended with exit code 2.</exception>
    public static string Run(IEnumerable<string> arguments, string input)
    {
        using AnonymousPipeServerStream alive = new(PipeDirection.Out, HandleInheritability.Inheritable);
        using Process child = Start(arguments, alive);
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

    /// <summary>Called first thing in a sample: where it is a child, it ends itself when its parent is gone.</summary>
    internal static void EndWithParent()
    {
        if (Environment.GetEnvironmentVariable(PipeVariable) is not { } handle)
            return;

        // Children of this process have a pipe of their own.
        Environment.SetEnvironmentVariable(PipeVariable, null);
        s_parentCommand = Environment.GetEnvironmentVariable(CommandVariable);
        Environment.SetEnvironmentVariable(CommandVariable, null);
        string? sampling = Environment.GetEnvironmentVariable(SamplingVariable);
        Environment.SetEnvironmentVariable(SamplingVariable, null);
        SampleProfile.SamplingBytes = long.Parse(sampling ?? "0", CultureInfo.InvariantCulture);
        AnonymousPipeClientStream parent = new(PipeDirection.In, handle);
        Thread waiter = new(() =>
        {
            // Nothing is ever written: reading ends when the parent's end is closed.
            _ = parent.ReadByte();
            Environment.Exit(ExitCodes.Failure);
        })
        {
            IsBackground = true,
            Name = "end with parent",
        };
        waiter.Start();
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

    private static Process Start(IEnumerable<string> arguments, AnonymousPipeServerStream alive)
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

        start.Environment[PipeVariable] = alive.GetClientHandleAsString();
        start.Environment[CommandVariable] = UserCommand;
        start.Environment[SamplingVariable] = SampleProfile.SamplingBytes.ToString(CultureInfo.InvariantCulture);
        Process child =
            Process.Start(start) ?? throw new RunFailedException($"'{start.FileName}' could not be started.");
        alive.DisposeLocalCopyOfClientHandle();
        return child;
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
