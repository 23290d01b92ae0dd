using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;

namespace SuperSlab.Collections;

/// <summary>
/// The table of <see cref="NativeHashMap{TKey, TValue}"/> and <see cref="NativeHashSet{T}"/>: entries lie densely in
/// the order of adding, so that a walk is one over an array, and chunks say where to find them.
/// <code>
///   entries   | key, value | key, value | ...    Count of them
///   chunks    | 12 tags, overflow | 12 entry numbers |    one cache line each, a power of two of them
/// </code>
/// A key's hash names its home chunk and a tag of 7 bits. One vector comparison of a chunk's tags finds the places that
/// may have the key: a lookup takes one cache line of chunks and one of entries. A key whose home is full goes to a
/// later chunk of its own sequence, and each full chunk that it passed counts it in its overflow, so that a lookup ends
/// where nothing passed, and a removal leaves no marks behind. (N. Bronson, X. Shi, "Open-sourcing F14 for faster, more
/// memory-efficient hash tables", F14VectorMap, 2019.)
/// </summary>
/// <remarks>
/// The home is the code of the key times a factor, shifted. The first factor is a power of two, and two bits of the
/// code turn over two of the home: numbers that follow each other have neighbouring homes, four in a row different
/// ones, so that an addition seldom waits for tags that the one before has just written. That is fastest where keys are
/// counted up, and as good as any where they are random. Where keys pass full chunks more often than random ones would,
/// as multiples of a power of two do and as an attacker's may, the table goes over to a random odd factor, under which
/// any two codes meet in a home with a probability of at most 2 in the number of chunks. (M. Dietzfelbinger et al., "A
/// reliable randomized algorithm for the closest-pair problem", 1997.) A full overflow count stays full; lookups then
/// look a chunk further until the table grows.
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
    public static ulong CodeOf(in TKey key) =>
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
        {
            table->Factor = HashHeader.NearFactor(table);
            table->Spread = HashHeader.NearSpread(table);
        }

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
        table->Spread = 0;
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
