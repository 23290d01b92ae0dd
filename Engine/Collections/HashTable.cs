using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace SuperSlab.Collections;

/// <summary>
/// The table of <see cref="NativeHashMap{TKey, TValue}"/> and <see cref="NativeHashSet{T}"/>: entries lie densely in the
/// order of adding, so that a walk is one over an array, and chunks say where to find them.
/// <code>
///   entries   | key, value | key, value | ...    Count of them
///   chunks    | 12 tags, overflow | 12 entry numbers |    one cache line each, a power of two of them
/// </code>
/// A key's hash names its home chunk and a tag of 7 bits. One vector comparison of a chunk's tags finds the places that
/// may have the key: a lookup takes one cache line of chunks and one of entries. A key whose home is full goes to a later
/// chunk of its own sequence, and each full chunk that it passed counts it in its overflow, so that a lookup ends where
/// nothing passed, and a removal leaves no marks behind. (N. Bronson, X. Shi, "Open-sourcing F14 for faster, more
/// memory-efficient hash tables", F14VectorMap, 2019.)
/// </summary>
/// <remarks>
/// The home is the code of the key times a factor, shifted. The first factor is a power of two: numbers that follow each
/// other have neighbouring homes, which is fastest where keys are counted up and as good as any where they are random.
/// Where keys pass full chunks more often than random ones would, as multiples of a power of two do and as an attacker's
/// may, the table goes over to a random odd factor, under which any two codes meet in a home with a probability of at
/// most 2 in the number of chunks. (M. Dietzfelbinger et al., "A reliable randomized algorithm for the closest-pair
/// problem", 1997.) A full overflow count stays full; lookups then look a chunk further until the table grows.
/// </remarks>
/// <typeparam name="TKey">The keys.</typeparam>
/// <typeparam name="TEntry">The entries, each of which begins with its key.</typeparam>
internal static unsafe class HashTable<TKey, TEntry>
    where TKey : unmanaged, IEquatable<TKey>
    where TEntry : unmanaged
{
    /// <summary>Finds the entry of a key; null where there is none.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TEntry* Find(HashHeader* table, in TKey key)
    {
        if (table->Common.Count == 0)
            return null;

        ulong code = CodeOf(key);
        byte tag = HashChunk.TagOf(code);
        HashChunk* chunk = table->Chunks + HashHeader.HomeOf(table, code);
        TEntry* entries = (TEntry*)table->Common.Data;
        for (uint found = HashChunk.Matches(chunk, tag); found != 0; found &= found - 1)
        {
            TEntry* entry = entries + chunk->Numbers[BitOperations.TrailingZeroCount(found)];
            if (((TKey*)entry)->Equals(key))
                return entry;
        }

        return chunk->Overflow == 0 ? null : FindBeyond(table, key, code);
    }

    /// <summary>Finds the entry of a key, or adds one, of which only the key is written.</summary>
    /// <param name="handle">The container.</param>
    /// <param name="key">The key.</param>
    /// <param name="exists">Whether it was there.</param>
    /// <exception cref="EngineOutOfMemoryException">There is no memory. Nothing has changed.</exception>
    public static TEntry* GetOrAdd(ContainerHandle handle, TKey key, out bool exists)
    {
        HashHeader* table = (HashHeader*)handle.BeginWrite();
        TEntry* entry;
        if (table->Chunks != null)
        {
            ulong code = CodeOf(key);
            byte tag = HashChunk.TagOf(code);
            HashChunk* chunk = table->Chunks + HashHeader.HomeOf(table, code);
            TEntry* entries = (TEntry*)table->Common.Data;
            for (uint found = HashChunk.Matches(chunk, tag); found != 0; found &= found - 1)
            {
                entry = entries + chunk->Numbers[BitOperations.TrailingZeroCount(found)];
                if (((TKey*)entry)->Equals(key))
                {
                    exists = true;
                    handle.EndWrite();
                    return entry;
                }
            }

            uint free = HashChunk.Free(chunk);
            int number = table->Common.Count;
            if (chunk->Overflow == 0 && free != 0 && number != table->Common.Capacity)
            {
                HashChunk.Put(chunk, BitOperations.TrailingZeroCount(free), tag, (uint)number);
                table->Common.Count = number + 1;
                entry = entries + number;
                *(TKey*)entry = key;
                exists = false;
                handle.EndWrite();
                return entry;
            }
        }

        entry = GetOrAddSlow(handle, table, key, out exists);
        handle.EndWrite();
        return entry;
    }

    /// <summary>Removes a key's entry; the last entry moves to its place.</summary>
    /// <param name="handle">The container.</param>
    /// <param name="key">The key.</param>
    /// <param name="removed">The entry; the default where there is none.</param>
    /// <returns>Whether there was one.</returns>
    public static bool Remove(ContainerHandle handle, TKey key, out TEntry removed)
    {
        HashHeader* table = (HashHeader*)handle.BeginWrite();
        removed = default;
        bool isThere = table->Common.Count != 0 && TryRemove(table, key, out removed);
        handle.EndWrite();
        return isThere;
    }

    /// <summary>Removes all entries; the room stays.</summary>
    public static void Clear(ContainerHandle handle)
    {
        HashHeader* table = (HashHeader*)handle.BeginWrite();
        table->Common.Count = 0;
        table->Passes = 0;
        if (table->Chunks != null)
            NativeMemory.Clear(table->Chunks, HashHeader.ChunkBytes(table));

        handle.EndWrite();
    }

    /// <summary>Makes room for a number of entries in all.</summary>
    /// <exception cref="EngineOutOfMemoryException">There is no memory. Nothing has changed.</exception>
    public static void EnsureCapacity(ContainerHandle handle, int capacity)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(capacity);
        HashHeader* table = (HashHeader*)handle.BeginWrite();
        if (capacity > table->Common.Capacity)
            Grow(handle, table, capacity);

        handle.EndWrite();
    }

    /// <summary>Makes a container with room for a number of entries.</summary>
    public static ContainerHandle Make(ArenaRef arena, Type type, string file, int line, int capacity)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(capacity);
        ContainerHandle handle = ContainerHandle.Make<HashHeader>(arena, type, file, line);
        try
        {
            EnsureCapacity(handle, capacity);
            return handle;
        }
        catch
        {
            Dispose(ref handle);
            throw;
        }
    }

    public static void Dispose(ref ContainerHandle handle) => ContainerHandle.Dispose(ref handle, &FreeChunks);

    /// <summary>A number of 64 bits is its own best code; the runtime's codes have 32.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong CodeOf(in TKey key) =>
        typeof(TKey) == typeof(long) || typeof(TKey) == typeof(ulong) || typeof(TKey) == typeof(nint)
            || typeof(TKey) == typeof(nuint)
            ? Unsafe.BitCast<TKey, ulong>(key)
            : (uint)key.GetHashCode();

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static TEntry* FindBeyond(HashHeader* table, in TKey key, ulong code)
    {
        byte tag = HashChunk.TagOf(code);
        nuint at = HashHeader.HomeOf(table, code);
        for (nuint tries = table->Mask; tries != 0; tries--)
        {
            at = (at + HashChunk.StepOf(tag)) & table->Mask;
            HashChunk* chunk = table->Chunks + at;
            for (uint found = HashChunk.Matches(chunk, tag); found != 0; found &= found - 1)
            {
                TEntry* entry =
                    (TEntry*)table->Common.Data + chunk->Numbers[BitOperations.TrailingZeroCount(found)];
                if (((TKey*)entry)->Equals(key))
                    return entry;
            }

            if (chunk->Overflow == 0)
                return null;
        }

        return null;
    }

    /// <summary>Where the home is full or was, and where the table has no room.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static TEntry* GetOrAddSlow(ContainerHandle handle, HashHeader* table, in TKey key, out bool exists)
    {
        TEntry* entry = Find(table, key);
        exists = entry != null;
        if (exists)
            return entry;

        if (table->Common.Count == table->Common.Capacity)
            Grow(handle, table, table->Common.Count + 1L);

        uint number = (uint)table->Common.Count++;
        entry = (TEntry*)table->Common.Data + number;
        *(TKey*)entry = key;
        Place(table, CodeOf(key), number);
        if (HashHeader.IsCrowded(table))
            PlaceAllElsewhere(table);

        return entry;
    }

    /// <summary>Gives an entry its place in the chunks, which have room.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Place(HashHeader* table, ulong code, uint number)
    {
        byte tag = HashChunk.TagOf(code);
        nuint at = HashHeader.HomeOf(table, code);
        uint free;
        while ((free = HashChunk.Free(table->Chunks + at)) == 0)
        {
            HashChunk.CountPass(table->Chunks + at, 1);
            table->Passes++;
            at = (at + HashChunk.StepOf(tag)) & table->Mask;
        }

        HashChunk.Put(table->Chunks + at, BitOperations.TrailingZeroCount(free), tag, number);
    }

    /// <summary>The place that names an entry.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static uint* Locate(HashHeader* table, ulong code, uint number)
    {
        byte tag = HashChunk.TagOf(code);
        nuint at = HashHeader.HomeOf(table, code);
        while (true)
        {
            HashChunk* chunk = table->Chunks + at;
            for (uint found = HashChunk.Matches(chunk, tag); found != 0; found &= found - 1)
            {
                uint* place = &chunk->Numbers[BitOperations.TrailingZeroCount(found)];
                if (*place == number)
                    return place;
            }

            at = (at + HashChunk.StepOf(tag)) & table->Mask;
        }
    }

    private static bool TryRemove(HashHeader* table, in TKey key, out TEntry removed)
    {
        ulong code = CodeOf(key);
        byte tag = HashChunk.TagOf(code);
        nuint at = HashHeader.HomeOf(table, code);
        TEntry* entries = (TEntry*)table->Common.Data;
        for (nuint tries = table->Mask + 1; tries != 0; tries--)
        {
            HashChunk* chunk = table->Chunks + at;
            for (uint found = HashChunk.Matches(chunk, tag); found != 0; found &= found - 1)
            {
                int index = BitOperations.TrailingZeroCount(found);
                uint number = chunk->Numbers[index];
                if (!((TKey*)(entries + number))->Equals(key))
                    continue;

                HashChunk.SetTag(chunk, index, 0);
                if (at != HashHeader.HomeOf(table, code))
                    Uncount(table, code, at);

                removed = entries[number];
                uint last = (uint)table->Common.Count - 1;
                table->Common.Count = (int)last;
                if (number != last)
                {
                    *Locate(table, CodeOf(*(TKey*)(entries + last)), last) = number;
                    entries[number] = entries[last];
                }

                return true;
            }

            if (chunk->Overflow == 0)
                break;

            at = (at + HashChunk.StepOf(tag)) & table->Mask;
        }

        removed = default;
        return false;
    }

    /// <summary>Takes a key that leaves a chunk from the counts of the chunks that it passed.</summary>
    private static void Uncount(HashHeader* table, ulong code, nuint until)
    {
        nuint step = HashChunk.StepOf(HashChunk.TagOf(code));
        for (nuint at = HashHeader.HomeOf(table, code); at != until; at = (at + step) & table->Mask)
        {
            HashChunk.CountPass(table->Chunks + at, -1);
            table->Passes--;
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Grow(ContainerHandle handle, HashHeader* table, long entries)
    {
        try
        {
            Grow(table, entries);
        }
        catch
        {
            handle.EndWrite();
            throw;
        }
    }

    /// <summary>Makes both blocks larger, and describes neither as larger before both are.</summary>
    private static void Grow(HashHeader* table, long entries)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(entries, HashChunk.MostEntries);
        nuint chunks = HashHeader.ChunksFor(table, entries);
        int capacity = (int)Math.Min((long)chunks * HashChunk.UsualLoad, HashChunk.MostEntries);
        int before = table->Common.Capacity;
        ArenaRef arena = table->Common.Arena;
        HashChunk* fresh =
            (HashChunk*)arena.Allocate(chunks * (nuint)sizeof(HashChunk), (nuint)sizeof(HashChunk));
        try
        {
            ContainerHandle.Resize(&table->Common, capacity, sizeof(TEntry));
            arena.Free(table->Chunks);
        }
        catch
        {
            table->Common.Capacity = before;
            arena.Free(fresh);
            throw;
        }

        table->Chunks = fresh;
        table->Mask = chunks - 1;
        table->Shift = 64 - BitOperations.Log2(chunks);
        table->Common.Capacity = capacity;
        if (!table->IsScattered)
            table->Factor = HashHeader.NearFactor(table);

        PlaceAll(table);
        if (HashHeader.IsCrowded(table))
            PlaceAllElsewhere(table);
    }

    /// <summary>Gives all entries places by another factor. Not again before there are twice as many: codes that are
    /// the same meet under each.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void PlaceAllElsewhere(HashHeader* table)
    {
        table->IsScattered = true;
        table->Factor = HashSeed.Next() | 1;
        table->CrowdedFrom = (int)Math.Min(2L * table->Common.Count, int.MaxValue);
        PlaceAll(table);
    }

    /// <summary>Gives all entries places. Their cache lines are fetched some entries ahead.</summary>
    private static void PlaceAll(HashHeader* table)
    {
        const int Ahead = 16;
        NativeMemory.Clear(table->Chunks, HashHeader.ChunkBytes(table));
        table->Passes = 0;
        ulong* codes = stackalloc ulong[Ahead];
        TEntry* entries = (TEntry*)table->Common.Data;
        uint count = (uint)table->Common.Count;
        for (uint first = 0; first < count; first += Ahead)
        {
            uint some = Math.Min(Ahead, count - first);
            for (uint index = 0; index < some; index++)
            {
                codes[index] = CodeOf(*(TKey*)(entries + first + index));
                if (Sse.IsSupported)
                    Sse.Prefetch0(table->Chunks + HashHeader.HomeOf(table, codes[index]));
            }

            for (uint index = 0; index < some; index++)
                Place(table, codes[index], first + index);
        }
    }

    private static void FreeChunks(ContainerHeader* header) => header->Arena.Free(((HashHeader*)header)->Chunks);
}

/// <summary>What a hash table keeps in its arena. Equations: Mask + 1 chunks; Shift is 64 less their logarithm;
/// Capacity &lt;= 10 x (Mask + 1).</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct HashHeader
{
    public ContainerHeader Common;
    public HashChunk* Chunks;
    public nuint Mask;
    public ulong Factor;
    public int Shift;

    /// <summary>How many full chunks keys have passed to their places.</summary>
    public int Passes;

    /// <summary>With fewer entries it is not looked at whether the chunks are crowded.</summary>
    public int CrowdedFrom;

    /// <summary>Whether the factor is random.</summary>
    public bool IsScattered;

    private const int FewestChunks = 2;
    private const int QuickChunks = 64;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static nuint HomeOf(HashHeader* table, ulong code) => (nuint)((code * table->Factor) >> table->Shift);

    public static nuint ChunkBytes(HashHeader* table) => (table->Mask + 1) * (nuint)sizeof(HashChunk);

    /// <summary>The factor by which four codes that follow each other share a home, and the next four have the
    /// next.</summary>
    public static ulong NearFactor(HashHeader* table) => 1ul << Math.Max(table->Shift - 2, 0);

    /// <summary>Random keys pass a tenth of their number in full tables.</summary>
    public static bool IsCrowded(HashHeader* table) =>
        table->Common.Count >= table->CrowdedFrom && table->Passes > (table->Common.Count / 4) + 16;

    /// <summary>The chunks for a number of entries: small tables grow in larger steps.</summary>
    public static nuint ChunksFor(HashHeader* table, long entries)
    {
        nuint least = (nuint)((entries + HashChunk.UsualLoad - 1) / HashChunk.UsualLoad);
        nuint chunks = nuint.Max(FewestChunks, BitOperations.RoundUpToPowerOf2(least));
        bool isStep = table->Chunks != null && entries == table->Common.Count + 1L;
        return isStep && chunks <= QuickChunks ? 2 * chunks : chunks;
    }
}

/// <summary>Twelve places of a hash table in one cache line. A tag of a free place is 0, another at least 128.</summary>
[StructLayout(LayoutKind.Sequential, Size = 64)]
internal unsafe struct HashChunk
{
    /// <summary>Entries to a chunk, on average, at most.</summary>
    public const int UsualLoad = 10;

    /// <summary>Entries are numbered in 32 bits, and their count is an int.</summary>
    public const long MostEntries = (long)UsualLoad << 27;

    private const uint AllPlaces = (1 << 12) - 1;

    public fixed byte Tags[12];

    /// <summary>How many keys went on because the chunk was full; 255 is as many or more, for ever.</summary>
    public byte Overflow;
    private readonly byte _unused0;
    private readonly byte _unused1;
    private readonly byte _unused2;

    public fixed uint Numbers[12];

    /// <summary>A tag, whose bits come from all of the code.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static byte TagOf(ulong code) => (byte)((code * 0x9E37_79B9_7F4A_7C15 >> 56) | 0x80); // the golden ratio

    /// <summary>How far a key's next chunk is: odd, so that the sequence reaches all.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static nuint StepOf(byte tag) => (2u * tag) + 1;

    /// <summary>The places with a tag, a bit each.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint Matches(HashChunk* chunk, byte tag) =>
        Vector128.Equals(Vector128.Load((byte*)chunk), Vector128.Create(tag)).ExtractMostSignificantBits()
            & AllPlaces;

    /// <summary>The free places, a bit each.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint Free(HashChunk* chunk) =>
        ~Vector128.Load((byte*)chunk).ExtractMostSignificantBits() & AllPlaces;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Put(HashChunk* chunk, int index, byte tag, uint number)
    {
        SetTag(chunk, index, tag);
        chunk->Numbers[index] = number;
    }

    /// <summary>Writes all tags: a lookup reads all at once, and waits where one alone was just written.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void SetTag(HashChunk* chunk, int index, byte tag)
    {
        ReadOnlySpan<byte> one = [
            0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        ];
        Vector128<byte> place = Vector128.LoadUnsafe(ref MemoryMarshal.GetReference(one), (nuint)(15 - index));
        Vector128.Store(
            Vector128.ConditionalSelect(place, Vector128.Create(tag), Vector128.Load((byte*)chunk)), (byte*)chunk);
    }

    public static void CountPass(HashChunk* chunk, int change)
    {
        if (chunk->Overflow != byte.MaxValue)
            chunk->Overflow = (byte)(chunk->Overflow + change);
    }
}

/// <summary>Factors of hash tables, which nobody can foresee. Any thread.</summary>
internal static class HashSeed
{
    private static ulong s_last = unchecked((ulong)Random.Shared.NextInt64(long.MinValue, long.MaxValue));

    public static ulong Next()
    {
        // SplitMix64: G. Steele et al., "Fast splittable pseudorandom number generators", 2014.
        ulong mixed = Interlocked.Add(ref s_last, 0x9E37_79B9_7F4A_7C15);
        mixed = (mixed ^ (mixed >> 30)) * 0xBF58_476D_1CE4_E5B9;
        mixed = (mixed ^ (mixed >> 27)) * 0x94D0_49BB_1331_11EB;
        return mixed ^ (mixed >> 31);
    }
}
