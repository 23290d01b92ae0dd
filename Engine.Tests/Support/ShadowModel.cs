using System.Runtime.InteropServices;

namespace Engine.Tests.Support;

/// <summary>
/// Remembers every live block beside the allocator: where it is, how long, and what was written into it. It checks
/// alignment when a block comes, contents when it goes, and overlaps when asked. One thread at a time.
/// </summary>
internal sealed unsafe class ShadowModel
{
    private readonly Dictionary<nint, Block> _blocks = [];
    private readonly List<nint> _addresses = [];
    private ulong _nextPattern = 1;

    public int Count => _addresses.Count;

    public nuint LiveBytes { get; private set; }

    /// <summary>A new block of the allocator, all of which is written.</summary>
    public void Add(void* block, nuint bytes, nuint alignment = 16)
    {
        nint address = (nint)block;
        Require(address != 0, "a block is null");
        Require((nuint)address % alignment == 0, $"0x{address:x} is not aligned to {alignment}");
        Require(!_blocks.ContainsKey(address), $"0x{address:x} was handed out twice");
        Block added = new(bytes, _nextPattern++ * 0x9E3779B97F4A7C15, _addresses.Count);
        Fill(address, added, 0);
        _blocks.Add(address, added);
        _addresses.Add(address);
        LiveBytes += bytes;
    }

    /// <summary>A live block chosen at random.</summary>
    public void* Pick(Random random, out nuint bytes)
    {
        nint address = _addresses[random.Next(_addresses.Count)];
        bytes = _blocks[address].Bytes;
        return (void*)address;
    }

    /// <summary>Forgets a live block chosen at random, as <see cref="Remove"/> does, for the caller to free.</summary>
    public void* Take(Random random)
    {
        void* block = Pick(random, out _);
        Remove(block);
        return block;
    }

    /// <summary>Forgets a block that is about to be freed, after its contents were checked.</summary>
    public void Remove(void* block)
    {
        nint address = (nint)block;
        Block removed = _blocks[address];
        Check(address, removed, removed.Bytes);
        _blocks.Remove(address);
        nint last = _addresses[^1];
        _addresses.RemoveAt(_addresses.Count - 1);
        if (last != address)
        {
            _addresses[removed.Index] = last;
            _blocks[last] = _blocks[last] with { Index = removed.Index };
        }

        LiveBytes -= removed.Bytes;
    }

    /// <summary>A block was reallocated: what is kept must be there, at the new place; the rest is written.</summary>
    public void Moved(void* from, void* to, nuint bytes)
    {
        Block old = _blocks[(nint)from];
        Check((nint)to, old, nuint.Min(old.Bytes, bytes));
        _blocks.Remove((nint)from);
        Require(!_blocks.ContainsKey((nint)to), $"0x{(nint)to:x} was handed out twice");
        Block moved = old with { Bytes = bytes };
        Fill((nint)to, moved, nuint.Min(old.Bytes, bytes));
        _blocks.Add((nint)to, moved);
        _addresses[old.Index] = (nint)to;
        LiveBytes += bytes - old.Bytes;
    }

    /// <summary>Checks the contents of all live blocks, and that none reaches into the next.</summary>
    public void CheckAll()
    {
        nint[] sorted = [.. _addresses];
        Array.Sort(sorted);
        for (int index = 0; index < sorted.Length; index++)
        {
            Block block = _blocks[sorted[index]];
            Require(
                index + 1 == sorted.Length || sorted[index] + (nint)block.Bytes <= sorted[index + 1],
                $"the {block.Bytes} bytes at 0x{sorted[index]:x} reach into the block after them");
            Check(sorted[index], block, block.Bytes);
        }
    }

    /// <summary>All live blocks are gone at once: a reset.</summary>
    public void Clear()
    {
        _blocks.Clear();
        _addresses.Clear();
        LiveBytes = 0;
    }

    /// <summary>Removes all live blocks from the model, checking each, and hands them to
    /// <paramref name="free"/>.</summary>
    public void Drain(Action<nint> free)
    {
        while (_addresses.Count != 0)
        {
            nint address = _addresses[^1];
            Remove((void*)address);
            free(address);
        }
    }

    private static void Fill(nint address, Block block, nuint from)
    {
        // Byte by byte up to a word's border, words, bytes again: the byte at an offset is that byte of the pattern
        // whatever the border.
        byte* start = (byte*)address;
        nuint offset = from;
        for (; offset < block.Bytes && offset % sizeof(ulong) != 0; offset++)
            start[offset] = PatternByte(block, offset);

        nuint words = (block.Bytes - offset) / sizeof(ulong);
        if (words != 0)
            MemoryMarshal.CreateSpan(ref *(ulong*)(start + offset), (int)words).Fill(block.Pattern);

        for (offset += words * sizeof(ulong); offset < block.Bytes; offset++)
            start[offset] = PatternByte(block, offset);
    }

    private static void Check(nint address, Block block, nuint bytes)
    {
        byte* start = (byte*)address;
        nuint words = bytes / sizeof(ulong);
        bool same = words == 0
            || MemoryMarshal.CreateReadOnlySpan(ref *(ulong*)start, (int)words).IndexOfAnyExcept(block.Pattern) < 0;
        for (nuint offset = words * sizeof(ulong); offset < bytes; offset++)
            same &= start[offset] == PatternByte(block, offset);

        Require(same, $"the contents of the {block.Bytes} bytes at 0x{address:x} have changed");
    }

    private static byte PatternByte(Block block, nuint offset) =>
        (byte)(block.Pattern >> (int)(offset % sizeof(ulong) * 8));

    private static void Require(bool holds, string otherwise)
    {
        if (!holds)
            throw new AssertionException(otherwise);
    }

    private readonly record struct Block(nuint Bytes, ulong Pattern, int Index);
}
