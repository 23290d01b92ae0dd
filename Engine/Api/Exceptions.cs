namespace SuperSlab;

/// <summary>The memory system was used wrongly, or the operating system refused something it was asked; the message says what and why.</summary>
public sealed class EngineMemoryException : Exception
{
    /// <summary>An exception without a particular message.</summary>
    public EngineMemoryException()
        : base("The engine's memory system was used wrongly, or the operating system refused a request.")
    {
    }

    /// <summary>An exception whose <paramref name="message"/> is a sentence that says what went wrong.</summary>
    public EngineMemoryException(string message)
        : base(message)
    {
    }

    /// <summary>As above, with the exception that led to this one.</summary>
    public EngineMemoryException(string message, Exception innerException)
        : base(message, innerException)
    {
    }

    /// <summary>Throws what a check found to be damaged, if it found something.</summary>
    internal static void ThrowIf(string? damage)
    {
        if (damage is not null)
            throw new EngineMemoryException(damage);
    }
}

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
