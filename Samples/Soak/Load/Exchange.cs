using System.Collections.Concurrent;
using SuperSlab;

namespace Samples.Soak.Load;

/// <summary>Blocks of one arena that wait for another thread to free them. Any thread.</summary>
internal sealed unsafe class Exchange(LongLivedArena arena)
{
    private readonly ConcurrentQueue<Block> _blocks = new();

    public LongLivedArena Arena => arena;

    public void Give(Block block) => _blocks.Enqueue(block);

    /// <summary>Checks and frees up to so many of the blocks.</summary>
    public void Free(int most)
    {
        while (most-- > 0 && _blocks.TryDequeue(out Block block))
        {
            block.Check();
            arena.Free((void*)block.Address);
        }
    }

    /// <summary>Checks all of them. Nobody uses the exchange meanwhile.</summary>
    public void Check()
    {
        foreach (Block block in _blocks)
        {
            block.Check();
        }
    }

    public long Bytes()
    {
        long bytes = 0;
        foreach (Block block in _blocks)
        {
            bytes += (long)block.Bytes;
        }

        return bytes;
    }
}
