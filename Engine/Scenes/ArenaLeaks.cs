using Engine.Arenas;

namespace Engine.Scenes;

/// <summary>What was still allocated in one arena when its scene was unloaded. Immutable; any thread.</summary>
/// <param name="Arena">The arena's name.</param>
/// <param name="Blocks">The blocks by size of their class.</param>
/// <param name="Allocations">The blocks by the size that was asked for, by tag and call stack; empty unless the scene was loaded with tracking.</param>
public sealed record ArenaLeaks(string Arena, IReadOnlyList<BlockCount> Blocks, IReadOnlyList<LiveAllocation> Allocations)
{
    /// <summary>How many blocks.</summary>
    public long Count
    {
        get
        {
            long count = 0;
            foreach (BlockCount block in Blocks)
            {
                count += block.Count;
            }

            return count;
        }
    }

    /// <summary>How many bytes, rounding to size classes included.</summary>
    public nuint Bytes
    {
        get
        {
            nuint bytes = 0;
            foreach (BlockCount block in Blocks)
            {
                bytes += block.Bytes * (nuint)block.Count;
            }

            return bytes;
        }
    }
}
