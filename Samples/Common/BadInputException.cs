namespace Samples.Common;

/// <summary>
/// The caller's options or files are wrong. The message is the one line that is shown; <see cref="SampleHost"/> turns it
/// into exit code 2.
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
