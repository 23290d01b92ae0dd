using Samples.Common;
using SuperSlab;

namespace Samples.Soak.Load;

/// <summary>
/// One owner's blocks in one arena, allocated, changed in size and freed at random within a limit of bytes. Sizes are
/// small far more often than large: uniform in their logarithm, up to 4 MiB, with a bias. Sizes that drift keep close
/// to the limit instead, without alignments of their own, which cost up to 2 MiB a block. One thread at a time.
/// </summary>
internal sealed unsafe class Churn(
    LongLivedArena arena, Random random, Verdict verdict, nuint limitBytes, SizeDrift? drift = null)
{
    /// <summary>Of 16 operations below the limit so many allocate; two more change a size, and the rest free.</summary>
    private readonly int _allocations = drift is null ? 8 : 12;
    private readonly List<Block> _blocks = [];

    public nuint LiveBytes { get; private set; }
    public int Count => _blocks.Count;

    /// <summary>Allocates, resizes and frees at random.</summary>
    /// <param name="others">Where some of the blocks go, for another thread to free. Null keeps them all.</param>
    public void Run(int operations, Exchange? others = null)
    {
        ArenaHandle handle;
        try
        {
            handle = arena.GetHandle();
        }
        catch (Exception refusal) when (Verdict.IsRefusal(refusal))
        {
            verdict.CountRefusal(refusal);
            return;
        }

        for (; operations > 0; operations--)
        {
            int choice = random.Next(16);
            if (_blocks.Count == 0 || (choice < _allocations && LiveBytes < limitBytes))
                Allocate(handle);
            else if (choice < _allocations + 2 && LiveBytes < limitBytes)
                Reallocate(handle, random.Next(_blocks.Count));
            else if (choice == 15 && others is not null)
                others.Give(Take(random.Next(_blocks.Count)));
            else
                Free(handle, Take(random.Next(_blocks.Count)));
        }
    }

    public void Check()
    {
        foreach (Block block in _blocks)
            block.Check();
    }

    /// <summary>Frees all blocks, or leaves them to another thread.</summary>
    public void FreeAll(Exchange? others = null)
    {
        while (_blocks.Count != 0)
        {
            Block block = Take(_blocks.Count - 1);
            if (others is null)
            {
                block.Check();
                arena.Free((void*)block.Address);
            }
            else
            {
                others.Give(block);
            }
        }
    }

    /// <summary>Forgets all blocks, after checking them: the arena goes as a whole.</summary>
    public void Forget()
    {
        Check();
        _blocks.Clear();
        LiveBytes = 0;
    }

    /// <summary>For <see cref="Sabotage.Corruption"/>: changes a byte of a block.</summary>
    public void Corrupt() => *(byte*)_blocks[0].Address ^= 1;

    /// <summary>For <see cref="Sabotage.Leak"/>: forgets a block.</summary>
    public void Lose() => Take(0);

    private void Allocate(ArenaHandle handle)
    {
        nuint bytes = NextSize();
        bool isAligned = drift is null && random.Next(8) == 0;
        nuint alignment = isAligned ? (nuint)16 << random.Next(random.Next(10) == 0 ? 18 : 9) : 16;
        void* address;
        try
        {
            address = alignment == 16 ? handle.Allocate(bytes) : handle.Allocate(bytes, alignment);
        }
        catch (Exception refusal) when (Verdict.IsRefusal(refusal))
        {
            verdict.CountRefusal(refusal);
            return;
        }

        if ((nuint)address % alignment != 0)
        {
            throw new RunFailedException(
                $"{FigureText.ExactBytes((long)bytes)} at 0x{(nint)address:x} are not aligned to {alignment}");
        }

        _blocks.Add(Block.Write(address, bytes));
        LiveBytes += bytes;
    }

    private void Reallocate(ArenaHandle handle, int index)
    {
        Block old = _blocks[index];
        nuint bytes = random.Next(2) == 0 ? NextSize() : old.Bytes + (old.Bytes / 4) + 1;
        void* address;
        try
        {
            address = handle.Reallocate((void*)old.Address, bytes);
        }
        catch (Exception refusal) when (Verdict.IsRefusal(refusal))
        {
            verdict.CountRefusal(refusal);
            old.Check();
            return;
        }

        old.CheckMoved((nint)address, bytes);
        LiveBytes += bytes - old.Bytes;
        _blocks[index] = Block.Write(address, bytes);
    }

    private static void Free(ArenaHandle handle, Block block)
    {
        block.Check();
        handle.Free((void*)block.Address);
    }

    private Block Take(int index)
    {
        Block block = _blocks[index];
        _blocks[index] = _blocks[^1];
        _blocks.RemoveAt(_blocks.Count - 1);
        LiveBytes -= block.Bytes;
        return block;
    }

    private nuint NextSize()
    {
        if (drift is not null)
            return drift.Next(random);

        int bits = Math.Min(random.Next(23), random.Next(23));
        return (nuint)random.NextInt64(1, (1L << bits) + 1);
    }
}
