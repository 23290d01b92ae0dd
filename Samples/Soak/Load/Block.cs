// Blocks with a pattern, and blocks that change hands.
using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using Samples.Common;
using SuperSlab;

namespace Samples.Soak.Load;

/// <summary>
/// A live block and the pattern it carries: each word that is written is the block's own number and where in the block
/// it stands. Of large blocks the beginning and the end are written densely, and in between a word in each 512 bytes.
/// </summary>
/// <param name="Bytes">How many bytes were asked for.</param>
/// <param name="Number">What its pattern is made of.</param>
internal readonly unsafe record struct Block(nint Address, nuint Bytes, ulong Number)
{
    private const nuint DenseBytes = 4096;
    private const nuint SparseStep = 512;
    private static ulong s_number;

    /// <summary>Writes a pattern of its own into fresh memory.</summary>
    public static Block Write(void* address, nuint bytes)
    {
        Block block = new((nint)address, bytes, 0x9E3779B97F4A7C15 * Interlocked.Increment(ref s_number));
        block.Fill();
        return block;
    }

    /// <summary>Throws when the contents are not those that were written.</summary>
    public void Check() => CheckMoved(Address, Bytes);

    /// <summary>The same for a block that lies elsewhere now, as far as both sizes reach.</summary>
    public void CheckMoved(nint address, nuint bytes)
    {
        // Places are those of the size it was written with.
        for (nuint at = 0; at < Bytes; at = Next(at))
        {
            nuint end = nuint.Min(at + sizeof(ulong), Bytes);
            if (end <= bytes && Read(address, at, end) != Word(at, end))
            {
                throw new RunFailedException(
                    $"the contents of the {FigureText.ExactBytes((long)Bytes)} at 0x{address:x} changed at offset "
                    + $"{at}");
            }
        }
    }

    private void Fill()
    {
        for (nuint at = 0; at < Bytes; at = Next(at))
        {
            ulong word = Word(at, nuint.Min(at + sizeof(ulong), Bytes));
            byte* to = (byte*)Address + at;
            if (Bytes - at >= sizeof(ulong))
            {
                Unsafe.WriteUnaligned(to, word);
                continue;
            }

            for (nuint rest = 0; rest < Bytes - at; rest++)
                to[rest] = (byte)(word >> (int)(8 * rest));
        }
    }

    private static ulong Read(nint address, nuint at, nuint end)
    {
        byte* from = (byte*)address + at;
        if (end - at == sizeof(ulong))
            return Unsafe.ReadUnaligned<ulong>(from);

        ulong word = 0;
        for (nuint rest = 0; rest < end - at; rest++)
            word |= (ulong)from[rest] << (int)(8 * rest);

        return word;
    }

    private nuint Next(nuint at)
    {
        bool isDense = at < DenseBytes || at + DenseBytes >= Bytes;
        return at + (isDense ? sizeof(ulong) : SparseStep);
    }

    private ulong Word(nuint at, nuint end)
    {
        ulong word = Number + at;
        return end - at == sizeof(ulong) ? word : word & ((1UL << (int)(8 * (end - at))) - 1);
    }
}

/// <summary>
/// Blocks of one arena that wait for another thread to free them. Who finds too many bytes there frees the oldest, so
/// that threads that get no processor do not fill the memory with what they would free. Any thread.
/// </summary>
internal sealed unsafe class Exchange(LongLivedArena arena)
{
    private const long MostBytes = 32 << 20;
    private readonly ConcurrentQueue<Block> _blocks = new();
    private long _bytes;

    public LongLivedArena Arena => arena;
    public long Bytes => Volatile.Read(ref _bytes);

    public void Give(Block block)
    {
        Interlocked.Add(ref _bytes, (long)block.Bytes);
        _blocks.Enqueue(block);
        while (Bytes > MostBytes)
            Free(1);
    }

    /// <summary>Checks and frees some of the blocks.</summary>
    public void Free(int most)
    {
        while (most-- > 0 && _blocks.TryDequeue(out Block block))
        {
            Interlocked.Add(ref _bytes, -(long)block.Bytes);
            block.Check();
            arena.Free((void*)block.Address);
        }
    }

    /// <summary>Checks all of them. Nobody uses the exchange meanwhile.</summary>
    public void Check()
    {
        foreach (Block block in _blocks)
            block.Check();
    }
}
