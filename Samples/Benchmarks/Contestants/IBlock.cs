namespace Samples.Benchmarks.Contestants;

/// <summary>
/// What an allocator hands out: an address, or an array. Implementations are structs, so that the loops are compiled for each by itself
/// and a table of blocks is a table of bare words.
/// </summary>
internal interface IBlock
{
    /// <summary>True of the default value, which stands for an empty slot.</summary>
    bool IsNone { get; }

    /// <summary>The first byte.</summary>
    ref byte First { get; }
}
