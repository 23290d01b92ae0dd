namespace Samples.LevelStreaming.Rows;

/// <summary>How long the frames of one kind took in one repetition.</summary>
internal sealed record BesideFrames(int Frames, double P50Microseconds, double P99Microseconds, double MaxMicroseconds);
