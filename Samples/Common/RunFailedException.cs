namespace Samples.Common;

/// <summary>
/// The run itself failed: a check did not hold, or an allocator could not do what was asked. The message is the one line
/// that is shown; <see cref="SampleHost"/> turns it into exit code 1.
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
