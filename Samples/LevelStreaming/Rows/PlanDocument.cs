namespace Samples.LevelStreaming.Rows;

/// <summary>A level's plan as JSON: blocks are triples of bytes, count and threads.</summary>
internal sealed record PlanDocument
{
    public required int Threads { get; init; }

    public required long BytesPerLane { get; init; }

    public required int Lanes { get; init; }

    public required int Buffers { get; init; }

    public required List<long[]> Blocks { get; init; }
}
