// How a sample runs and ends: one line for what goes wrong, and an exit code.
using System.CommandLine;

namespace Samples.Common;

/// <summary>
/// Runs a sample's command with the manners all samples share: one line on standard error for whatever goes wrong,
/// never a stack trace or a page of help, exit code 2 when the caller can mend it and 1 otherwise.
/// </summary>
public static class SampleHost
{
    /// <summary>Parses the arguments, runs the command, and gives the process's exit code.</summary>
    /// <param name="command">What the sample does.</param>
    /// <param name="arguments">Those of the process.</param>
    /// <param name="saysVerdict">Whether PASS or FAIL is the last line on a terminal; a sample may say it itself.</param>
    public static int Run(RootCommand command, IReadOnlyList<string> arguments, bool saysVerdict = true)
    {
        ChildProcess.EndWithParent();

        // A file name that begins with '@' is a file name here, not a file of further arguments.
        ParseResult parsed = command.Parse(arguments, new ParserConfiguration { ResponseFileTokenReplacer = null });
        if (parsed.Errors.Count > 0)
            return Fail(parsed.Errors[0].Message + Suggestion(command, parsed), ExitCodes.BadInput);

        if (parsed.GetResult(SampleOptions.CallSites) is not null)
            SampleProfile.SamplingBytes = parsed.GetValue(SampleOptions.CallSites) ?? SampleProfile.UsualSampling;

        try
        {
            int code = parsed.Invoke(new InvocationConfiguration { EnableDefaultExceptionHandler = false });
            if (saysVerdict && parsed.Action == command.Action)
                ShowVerdict(code);

            return code;
        }
        catch (BadInputException error)
        {
            return Fail(error.Message, ExitCodes.BadInput);
        }
#pragma warning disable CA1031 // Whatever it is, an unattended run ends with one line and a code.
        catch (Exception error)
#pragma warning restore CA1031
        {
            bool isSentence = error is RunFailedException or IOException or UnauthorizedAccessException;
            string name = isSentence ? "" : error.GetType().Name + ": ";
            return Fail(name + error.Message, ExitCodes.Failure);
        }
    }

    /// <summary>The last line for people; what a script reads is the exit code.</summary>
    private static void ShowVerdict(int code)
    {
        if (Console.IsErrorRedirected)
            return;

        (string green, string red, string plain) = Environment.GetEnvironmentVariable("NO_COLOR") is null or ""
            ? ("\e[32m", "\e[31m", "\e[0m") : ("", "", "");
        Console.Error.WriteLine(
            code == ExitCodes.Success ? $"{green}PASS{plain}" : $"{red}FAIL{plain}, exit code {code}");
    }

    /// <summary>The option that a word may have meant.</summary>
    private static string Suggestion(RootCommand command, ParseResult parsed)
    {
        string? word = parsed.UnmatchedTokens.FirstOrDefault(token => token.StartsWith("--", StringComparison.Ordinal));
        string? nearest = word is null ? null : command.Options.Where(option => !option.Hidden).Select(option => option.Name)
            .MinBy(name => Distance(name, word));
        return nearest is not null && Distance(nearest, word!) <= 3 ? $" Did you mean {nearest}?" : "";
    }

    /// <summary>How many letters are to be put in, taken out or changed to make one word of the other.</summary>
    private static int Distance(string one, string other)
    {
        int[] row = [.. Enumerable.Range(0, other.Length + 1)];
        foreach ((int place, char letter) in one.Index())
        {
            int diagonal = row[0];
            row[0] = place + 1;
            for (int column = 1; column < row.Length; column++)
            {
                int changed = diagonal + (other[column - 1] == letter ? 0 : 1);
                diagonal = row[column];
                row[column] = Math.Min(changed, Math.Min(diagonal, row[column - 1]) + 1);
            }
        }

        return row[^1];
    }

    private static int Fail(string message, int code)
    {
        string line = string.Join(' ', message.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));
        Console.Error.WriteLine("error: " + line);
        return code;
    }
}

/// <summary>How a sample ends; scripts and the build's own checks read these.</summary>
public static class ExitCodes
{
    /// <summary>All that was asked for was done, and what must hold held.</summary>
    public const int Success = 0;

    /// <summary>Something that must hold did not, or the run could not be finished.</summary>
    public const int Failure = 1;

    /// <summary>The options or the input file were wrong; nothing was measured.</summary>
    public const int BadInput = 2;
}

/// <summary>
/// The caller's options or files are wrong. The message is the one line that is shown; <see cref="SampleHost"/> turns
/// it into exit code 2.
/// </summary>
public class BadInputException : Exception
{
    public BadInputException(string message)
        : base(message)
    {
    }

    public BadInputException(string message, Exception cause)
        : base(message, cause)
    {
    }
}

/// <summary>
/// The run itself failed: a check did not hold, or an allocator could not do what was asked. The message is the one
/// line that is shown; <see cref="SampleHost"/> turns it into exit code 1.
/// </summary>
public class RunFailedException : Exception
{
    public RunFailedException(string message)
        : base(message)
    {
    }

    public RunFailedException(string message, Exception cause)
        : base(message, cause)
    {
    }
}
