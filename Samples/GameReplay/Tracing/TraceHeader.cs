namespace Samples.GameReplay.Tracing;

/// <summary>
/// What the file promises about itself. The reader compares it with what it finds, and nobody sizes memory by it: a header of
/// a few bytes may claim anything.
/// </summary>
internal readonly record struct TraceHeader(ulong Records, ulong Threads, ulong Frames, ulong Blocks);
