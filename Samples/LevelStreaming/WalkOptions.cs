namespace Samples.LevelStreaming;

/// <summary>The walk that all rows do.</summary>
internal readonly record struct WalkOptions(int Frames, uint Seed);
