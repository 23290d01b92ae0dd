using System.Collections.Concurrent;

namespace Engine.Tests.Support;

/// <summary>
/// The addresses of every block that a test has live, across all its arenas and threads. A block whose range overlaps a
/// live one's fails at once, and the message names both. Each block carries a stamp at its beginning and one at its
/// end, which are looked at when it goes.
/// <code>
///   2 MiB of address -> one bit for each 16 bytes, and the blocks that reach into it by their beginning; a lock for each
/// </code>
/// Any thread, millions of times: a call costs well under a microsecond for a block that lies within 2 MiB.
/// </summary>
internal sealed unsafe class LiveRanges
{
    private const int ShardShift = 21;
    private const int UnitShift = 4;
    private const nint UnitsOfShard = 1 << (ShardShift - UnitShift);
    private readonly ConcurrentDictionary<nint, Shard> _shards = new();

    /// <summary>A new block: all its usable bytes are its own, and those that were asked for are stamped.</summary>
    public void Add(void* block, nuint bytes, nuint usableBytes, string arena, long operation)
    {
        LiveRange range =
            new((nint)block, bytes, nuint.Max(usableBytes, 1), arena, Environment.CurrentManagedThreadId, operation);
        Claim(range);
        Stamp(range.Address, range, bytes);
    }

    /// <summary>A block that is about to be freed, or reallocated: its stamps are there, and from now on its range may
    /// be another's.</summary>
    public LiveRange Remove(void* block)
    {
        LiveRange range = ShardOf((nint)block).Blocks.TryGetValue((nint)block, out LiveRange found) ? found
            : throw new AssertionException($"0x{(nint)block:x} is no live block of the test");
        Check(range.Address, range, range.Bytes, range.Bytes);
        ForEachShard(range, static (shard, range, first, last) => shard.Remove(range, first, last));
        return range;
    }

    /// <summary>A reallocation is over: what was kept is at the new place, which is the block's from now on.</summary>
    public void Moved(LiveRange old, void* to, nuint bytes, nuint usableBytes, long operation)
    {
        LiveRange range =
            old with
            {
                Address = (nint)to,
                Bytes = bytes,
                UsableBytes = usableBytes,
                Thread = Environment.CurrentManagedThreadId,
                Operation = operation
            };
        Claim(range);
        Check((nint)to, old, old.Bytes, nuint.Min(old.Bytes, bytes));
        Stamp((nint)to, range, bytes);
    }

    /// <summary>A reallocation was refused: the block is as it was.</summary>
    public void Restore(LiveRange range)
    {
        Claim(range);
        Check(range.Address, range, range.Bytes, range.Bytes);
    }

    /// <summary>All stamps of all live blocks. Nobody changes them meanwhile.</summary>
    public void CheckAll()
    {
        foreach ((nint number, Shard shard) in _shards)
        {
            foreach (LiveRange range in shard.Blocks.Values.Where(range => range.Address >> ShardShift == number))
                Check(range.Address, range, range.Bytes, range.Bytes);
        }
    }

    private void Claim(LiveRange range) => ForEachShard(range, static (shard, range, first, last) =>
        shard.Add(range, first, last));

    private Shard ShardOf(nint address) => _shards.GetOrAdd(address >> ShardShift, static _ => new Shard());

    private void ForEachShard(LiveRange range, Action<Shard, LiveRange, nint, nint> work)
    {
        nint first = range.Address >> UnitShift;
        nint last = (nint)(((nuint)range.Address + range.UsableBytes - 1) >> UnitShift);
        for (nint number = first / UnitsOfShard; number <= last / UnitsOfShard; number++)
        {
            nint start = number * UnitsOfShard;
            Shard shard = ShardOf(number << ShardShift);
            lock (shard)
                work(shard, range, nint.Max(first - start, 0), nint.Min(last - start, UnitsOfShard - 1));
        }
    }

    private static void Stamp(nint address, LiveRange range, nuint bytes)
    {
        Write(address, nuint.Min(bytes, sizeof(ulong)), range.Stamp);
        if (bytes >= 2 * sizeof(ulong))
            Write(address + (nint)bytes - sizeof(ulong), sizeof(ulong), ~range.Stamp);
    }

    /// <summary>The stamps that a block of so many bytes has, as far as they lie within what was kept.</summary>
    private static void Check(nint address, LiveRange range, nuint bytes, nuint kept)
    {
        bool same = Read(address, nuint.Min(kept, sizeof(ulong)), range.Stamp)
            && (bytes < 2 * sizeof(ulong) || kept < bytes
                || Read(address + (nint)bytes - sizeof(ulong), sizeof(ulong), ~range.Stamp));
        if (!same)
        {
            throw new AssertionException(
                $"The contents of {range} have "
                + $"changed{(address == range.Address ? "" : $" on the way to 0x{address:x}")}.");
        }
    }

    private static void Write(nint address, nuint bytes, ulong stamp) =>
        new ReadOnlySpan<byte>(&stamp, (int)bytes).CopyTo(new Span<byte>((void*)address, (int)bytes));

    private static bool Read(nint address, nuint bytes, ulong stamp) =>
        new ReadOnlySpan<byte>((void*)address, (int)bytes).SequenceEqual(new ReadOnlySpan<byte>(&stamp, (int)bytes));

    private sealed class Shard
    {
        private readonly ulong[] _taken = new ulong[UnitsOfShard / 64];

        public ConcurrentDictionary<nint, LiveRange> Blocks { get; } = new(concurrencyLevel: 1, capacity: 31);

        public void Add(LiveRange range, nint first, nint last)
        {
            for (nint word = first / 64; word <= last / 64; word++)
            {
                ulong mask = MaskOf(word, first, last);
                if ((_taken[word] & mask) != 0)
                {
                    LiveRange other = Blocks.Values.First(live => live.Overlaps(range));
                    throw new AssertionException($"Two owners: {range} was handed out while {other} is live.");
                }

                _taken[word] |= mask;
            }

            Blocks[range.Address] = range;
        }

        public void Remove(LiveRange range, nint first, nint last)
        {
            for (nint word = first / 64; word <= last / 64; word++)
                _taken[word] &= ~MaskOf(word, first, last);

            Blocks.TryRemove(range.Address, out _);
        }

        private static ulong MaskOf(nint word, nint first, nint last)
        {
            ulong mask = ulong.MaxValue;
            mask &= word == first / 64 ? ulong.MaxValue << (int)(first % 64) : ulong.MaxValue;
            mask &= word == last / 64 ? ulong.MaxValue >> (int)(63 - (last % 64)) : ulong.MaxValue;
            return mask;
        }
    }
}

/// <summary>A live block of a test: where it is, and who made it when.</summary>
internal readonly record struct LiveRange(
    nint Address, nuint Bytes, nuint UsableBytes, string Arena, int Thread, long Operation)
{
    /// <summary>What stands at its beginning, and inverted at its end.</summary>
    public ulong Stamp => ((ulong)Address + (ulong)Operation) * 0x9E3779B97F4A7C15;

    public bool Overlaps(LiveRange other) =>
        (nuint)Address < (nuint)other.Address + other.UsableBytes && (nuint)other.Address < (nuint)Address
            + UsableBytes;

    public override string ToString() =>
        $"0x{Address:x} ({Bytes} bytes, {UsableBytes} usable, arena '{Arena}', thread {Thread}, operation {Operation})";
}
