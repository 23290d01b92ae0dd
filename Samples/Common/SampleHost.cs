using System.CommandLine;

namespace Samples.Common;

/// <summary>
/// Runs a sample's command with the manners all samples share: one line on standard error for whatever goes wrong, never a
/// stack trace or a page of help, exit code 2 when the caller can mend it and 1 otherwise.
/// </summary>
public static class SampleHost
{
    /// <summary>Parses the arguments, runs the command, and gives the process's exit code.</summary>
    public static int Run(RootCommand command, IReadOnlyList<string> arguments)
    {
        // A file name that begins with '@' is a file name here, not a file of further arguments.
        ParseResult parsed = command.Parse(arguments, new ParserConfiguration { ResponseFileTokenReplacer = null });
        if (parsed.Errors.Count > 0)
        {
            return Fail(parsed.Errors[0].Message, ExitCodes.BadInput);
        }

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
            string name = error is RunFailedException ? "" : error.GetType().Name + ": ";
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
