namespace Samples.GameReplay.Rows;

/// <summary>Who serves the trace's calls.</summary>
internal enum AllocatorKind
{
    Engine,
    Malloc,
    Gc,
}
