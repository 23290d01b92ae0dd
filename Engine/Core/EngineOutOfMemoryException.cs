namespace Engine.Core;

/// <summary>Address space or physical memory ran out, or a limit set for the process was reached; the message says which.</summary>
public sealed class EngineOutOfMemoryException : OutOfMemoryException
{
    /// <summary>An exception without a particular message.</summary>
    public EngineOutOfMemoryException()
        : base("The engine ran out of memory.")
    {
    }

    /// <summary>An exception whose <paramref name="message"/> is a sentence that says what ran out.</summary>
    public EngineOutOfMemoryException(string message)
        : base(message)
    {
    }

    /// <summary>As above, with the exception that led to this one.</summary>
    public EngineOutOfMemoryException(string message, Exception innerException)
        : base(message, innerException)
    {
    }
}
