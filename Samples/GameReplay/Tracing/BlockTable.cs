// The live blocks of a trace.
namespace Samples.GameReplay.Tracing;

/// <summary>
/// The live blocks of a trace, found by id, each at a slot: a small dense number by which a replay keeps the block's
/// address.
///
/// Ids only ever grow, so memory is for the live ones alone: a hash table from id to slot with linear probing, in which
/// a removal moves later entries of its run back and leaves no gravestones. A slot given up is used again only after
/// <see cref="RecycleSlots"/>: threads that run at the same time between two meetings must not find one slot meaning
/// two blocks.
/// </summary>
internal sealed class BlockTable
{
    private const int Empty = -1;
    private LiveBlock[] _blocks;
    private int[] _buckets;
    private int[] _givenUp;
    private int _givenUpCount;
    private int _reusableCount;
    private int _slotCount;
    private int _shift;

    /// <summary>Makes a table for that many slots; it grows when they do not suffice.</summary>
    public BlockTable(int slots = 1024)
    {
        // Written, so that they are resident before anything is measured.
        _blocks = new LiveBlock[Math.Max(slots, 16)];
        _blocks.AsSpan().Clear();
        _givenUp = new int[_blocks.Length];
        _givenUp.AsSpan().Clear();
        _buckets = [];
        Rehash();
    }

    /// <summary>How many slots were ever in use at once, those awaiting <see cref="RecycleSlots"/> included.</summary>
    public int SlotCount => _slotCount;

    public int LiveCount { get; private set; }
    public ref LiveBlock this[int slot] => ref _blocks[slot];

    public int Add(ulong id, ulong bytes, byte alignmentShift)
    {
        int slot = _reusableCount > 0 ? TakeReusable() : TakeFresh();
        _blocks[slot] = new LiveBlock { Id = id, Bytes = bytes, AlignmentShift = alignmentShift, IsLive = true };
        int bucket = Bucket(id);
        while (_buckets[bucket] != Empty)
            bucket = (bucket + 1) & (_buckets.Length - 1);

        _buckets[bucket] = slot;
        LiveCount++;
        return slot;
    }

    /// <summary>The slot of a live block, or -1.</summary>
    public int Find(ulong id)
    {
        int bucket = FindBucket(id);
        return bucket < 0 ? Empty : _buckets[bucket];
    }

    public void Remove(int slot)
    {
        int hole = FindBucket(_blocks[slot].Id);
        int mask = _buckets.Length - 1;
        for (int next = (hole + 1) & mask; _buckets[next] != Empty; next = (next + 1) & mask)
        {
            // An entry may move back into the hole unless its own home lies behind the hole.
            int home = Bucket(_blocks[_buckets[next]].Id);
            if (((next - home) & mask) >= ((next - hole) & mask))
            {
                _buckets[hole] = _buckets[next];
                hole = next;
            }
        }

        _buckets[hole] = Empty;
        _blocks[slot].IsLive = false;
        _givenUp[_givenUpCount++] = slot;
        LiveCount--;
    }

    /// <summary>Lets the slots of removed blocks be used again.</summary>
    public void RecycleSlots() => _reusableCount = _givenUpCount;

    private int TakeReusable()
    {
        // The reusable ones lie below those given up since the last meeting; the top one of those fills the gap.
        int slot = _givenUp[--_reusableCount];
        _givenUp[_reusableCount] = _givenUp[--_givenUpCount];
        return slot;
    }

    private int TakeFresh()
    {
        if (_slotCount == _blocks.Length)
        {
            Array.Resize(ref _blocks, _blocks.Length * 2);
            Array.Resize(ref _givenUp, _blocks.Length);
            Rehash();
        }

        return _slotCount++;
    }

    private void Rehash()
    {
        // At most half full, so runs stay short.
        int buckets = (int)System.Numerics.BitOperations.RoundUpToPowerOf2((uint)_blocks.Length * 2);
        _shift = 64 - System.Numerics.BitOperations.Log2((uint)buckets);
        int[] old = _buckets;
        _buckets = new int[buckets];
        _buckets.AsSpan().Fill(Empty);
        foreach (int slot in old)
        {
            if (slot == Empty)
                continue;

            int bucket = Bucket(_blocks[slot].Id);
            while (_buckets[bucket] != Empty)
                bucket = (bucket + 1) & (buckets - 1);

            _buckets[bucket] = slot;
        }
    }

    private int FindBucket(ulong id)
    {
        for (int bucket = Bucket(id); _buckets[bucket] != Empty; bucket = (bucket + 1) & (_buckets.Length - 1))
        {
            if (_blocks[_buckets[bucket]].Id == id)
                return bucket;
        }

        return -1;
    }

    private int Bucket(ulong id) => (int)((id * 0x9E3779B97F4A7C15UL) >> _shift);
}

/// <summary>What is known of a live block while a trace is read.</summary>
internal struct LiveBlock
{
    public ulong Id;
    public ulong Bytes;
    public byte AlignmentShift;
    public bool IsLive;
}
