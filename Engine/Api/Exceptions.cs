using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;

namespace SuperSlab;

/// <summary>
/// The memory system was used wrongly, or the operating system refused a request; the message says what and why. The
/// base of all exceptions that this library defines. A call at the wrong time is an
/// <see cref="InvalidOperationException"/>, a call on something disposed an <see cref="ObjectDisposedException"/>, an
/// impossible argument an <see cref="ArgumentException"/>.
/// </summary>
public class EngineMemoryException : Exception
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

    /// <summary>An exception with a message and the exception that led to it.</summary>
    public EngineMemoryException(string message, Exception innerException)
        : base(message, innerException)
    {
    }

    /// <summary>Throws the damage that a check found, if it found any.</summary>
    internal static void ThrowIf(string? damage)
    {
        if (damage is not null)
            throw new EngineMemoryException(damage);
    }
}

/// <summary>Address space, physical memory or a budget ran out; the message says which.</summary>
public sealed class EngineOutOfMemoryException : EngineMemoryException
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

    /// <summary>An exception with a message and the exception that led to it.</summary>
    public EngineOutOfMemoryException(string message, Exception innerException)
        : base(message, innerException)
    {
    }
}

/// <summary>Throws with the name of what is disposed, as its ToString says it: "Arena 'world'".</summary>
internal static class Disposed
{
    public static void ThrowIf([DoesNotReturnIf(true)] bool isDisposed, object owner)
    {
        if (isDisposed)
            Throw(owner);
    }

    [DoesNotReturn]
    private static void Throw(object owner) => throw new ObjectDisposedException(owner.ToString());
}

/// <summary>The one form in which options say what is wrong with them.</summary>
internal static class OptionRange
{
    /// <param name="options">The options.</param>
    /// <param name="holds">Whether the option is within its range.</param>
    /// <param name="value">The option, by its name.</param>
    /// <param name="allowed">Its range, as in "from 1 to 512".</param>
    /// <param name="name">Leave it out.</param>
    public static void Check(
        object options, bool holds, object value, string allowed,
        [CallerArgumentExpression(nameof(value))] string name = "")
    {
        if (holds)
            return;

        string option = $"{options.GetType().Name}.{name}";
        throw new ArgumentOutOfRangeException(
            name, value, FormattableString.Invariant($"{option} is {value}; it must be {allowed}."));
    }
}
