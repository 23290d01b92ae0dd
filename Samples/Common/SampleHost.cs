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
    public static int Run(RootCommand command, IReadOnlyList<string> arguments)
    {
        ChildProcess.EndWithParent();

        // A file name that begins with '@' is a file name here, not a file of further arguments.
        ParseResult parsed = command.Parse(arguments, new ParserConfiguration { ResponseFileTokenReplacer = null });
        if (parsed.Errors.Count > 0)
            return Fail(parsed.Errors[0].Message, ExitCodes.BadInput);

        try
        {
            return parsed.Invoke(new InvocationConfiguration { EnableDefaultExceptionHandler = false });
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
