namespace Samples.GameReplay.Tracing;

/// <summary>What is known of a live block while a trace is read.</summary>
internal struct LiveBlock
{
    public ulong Id;
    public ulong Bytes;
    public byte AlignmentShift;
    public bool IsLive;
}
