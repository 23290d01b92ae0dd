namespace Samples.GameReplay.Learning;

/// <summary>The most blocks of one block size that are live at once, whatever the order in which the threads run.</summary>
internal sealed record BlockPeak(long BlockBytes, long Count);
