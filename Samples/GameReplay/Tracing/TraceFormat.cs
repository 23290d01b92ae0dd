namespace Samples.GameReplay.Tracing;

/// <summary>The constants of the trace file; TRACE-FORMAT.md describes it.</summary>
internal static class TraceFormat
{
    public const byte Version = 1;

    /// <summary>The name's ending by which the embedded traces are known.</summary>
    public const string FileEnding = ".alloctrace.gz";

    /// <summary>
    /// A replay gives each thread of the trace a thread of the operating system, so there is a limit to what it takes on.
    /// The format has none.
    /// </summary>
    public const int MaxThreads = 1024;

    /// <summary>The first four bytes of the unpacked stream.</summary>
    public static ReadOnlySpan<byte> Magic => "ATRC"u8;
}
