using System.Numerics;

namespace SuperSlab.Collections;

/// <summary>
/// Adds to a <see cref="HashTable{TKey, TEntry}"/> that has room, from many threads at once. A thread holds the lock of
/// its key's home chunk from the look-up to the end, so nobody adds the same key meanwhile: the same key has the same
/// home. It holds the lock of one chunk's places at a time, for one look or one write.
/// </summary>
/// <remarks>
/// No two wait for each other: who waits for a home holds nothing, and who holds places waits for nothing. The release
/// of places, after the entry and its place were written, and the lock of the next who reads them hand over both. A tag
/// is written alone, not with its neighbours as by <see cref="HashChunk.SetTag"/>: the home's lock beside them is
/// another thread's.
/// </remarks>
internal static unsafe class ParallelHashTable<TKey, TEntry>
    where TKey : unmanaged, IEquatable<TKey>
    where TEntry : unmanaged
{
    /// <returns>Whether the entry's key was not there and was added.</returns>
    /// <exception cref="InvalidOperationException">There is no room. Nothing has changed.</exception>
    public static bool TryAdd(ContainerHandle handle, TEntry entry)
    {
        HashHeader* table = (HashHeader*)handle.BeginTogether();
        bool isThere = false;
        bool hasRoom = table->Chunks != null;
        if (hasRoom)
        {
            ulong code = HashTable<TKey, TEntry>.CodeOf(*(TKey*)&entry);
            HashChunk* home = table->Chunks + HashHeader.HomeOf(table, code);
            Lock(ref home->HomeLock);
            isThere = Contains(table, *(TKey*)&entry, code);
            if (!isThere)
            {
                int number = ContainerHandle.TakeTogether(&table->Common, 1);
                hasRoom = number >= 0;
                if (hasRoom)
                {
                    ((TEntry*)table->Common.Data)[number] = entry;
                    Place(table, code, (uint)number);
                }
            }

            Unlock(ref home->HomeLock);
        }

        handle.EndTogether();
        if (!isThere && !hasRoom)
            ContainerChecks.ThrowFull(handle);

        return !isThere;
    }

    private static bool Contains(HashHeader* table, in TKey key, ulong code)
    {
        byte tag = HashChunk.TagOf(code);
        nuint at = HashHeader.HomeOf(table, code);
        for (nuint tries = table->Mask + 1; tries != 0; tries--)
        {
            HashChunk* chunk = table->Chunks + at;
            bool isThere = false;
            Lock(ref chunk->PlacesLock);
            for (uint found = HashChunk.Matches(chunk, tag); found != 0 && !isThere; found &= found - 1)
            {
                TEntry* entry =
                    (TEntry*)table->Common.Data + chunk->Numbers[BitOperations.TrailingZeroCount(found)];
                isThere = ((TKey*)entry)->Equals(key);
            }

            bool isLast = chunk->Overflow == 0;
            Unlock(ref chunk->PlacesLock);
            if (isThere || isLast)
                return isThere;

            at = (at + HashChunk.StepOf(tag)) & table->Mask;
        }

        return false;
    }

    private static void Place(HashHeader* table, ulong code, uint number)
    {
        byte tag = HashChunk.TagOf(code);
        nuint at = HashHeader.HomeOf(table, code);
        while (true)
        {
            HashChunk* chunk = table->Chunks + at;
            Lock(ref chunk->PlacesLock);
            uint free = HashChunk.Free(chunk);
            if (free != 0)
            {
                int place = BitOperations.TrailingZeroCount(free);
                chunk->Numbers[place] = number;
                chunk->Tags[place] = tag;
            }
            else
            {
                HashChunk.CountPass(chunk, 1);
                Interlocked.Increment(ref table->Passes);
            }

            Unlock(ref chunk->PlacesLock);
            if (free != 0)
                return;

            at = (at + HashChunk.StepOf(tag)) & table->Mask;
        }
    }

    private static void Lock(ref byte held)
    {
        SpinWait turn = default;
        while (Interlocked.Exchange(ref held, 1) != 0)
            turn.SpinOnce(sleep1Threshold: -1);
    }

    private static void Unlock(ref byte held) => Volatile.Write(ref held, 0);
}
