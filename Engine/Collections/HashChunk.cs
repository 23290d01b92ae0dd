using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace SuperSlab.Collections;

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

    /// <summary>The bits of a home that two bits of the code turn over, while the factor is the near one.</summary>
    public uint Spread;

    /// <summary>How many full chunks keys have passed to their places.</summary>
    public int Passes;

    /// <summary>With fewer entries it is not looked at whether the chunks are crowded.</summary>
    public int CrowdedFrom;

    /// <summary>Whether the factor is random.</summary>
    public bool IsScattered;

    private const int FewestChunks = 2;
    private const int QuickChunks = 64;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static nuint HomeOf(HashHeader* table, ulong code) =>
        (nuint)((code * table->Factor) >> table->Shift) ^ ((uint)(code << 1) & table->Spread);

    public static nuint ChunkBytes(HashHeader* table) => (table->Mask + 1) * (nuint)sizeof(HashChunk);

    /// <summary>The factor by which four codes that follow each other share a home before two of their bits are spread,
    /// and the next four have the next.</summary>
    public static ulong NearFactor(HashHeader* table) => 1ul << Math.Max(table->Shift - 2, 0);

    /// <summary>The bits of a home that the two lowest of a code turn over, as far as there are chunks.</summary>
    public static uint NearSpread(HashHeader* table) => (uint)table->Mask & 6;

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

/// <summary>Twelve places of a hash table in one cache line. A tag of a free place is 0, another at least
/// 128.</summary>
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

    /// <summary>Held by a parallel writer while it looks for a key whose home this is, and adds it.</summary>
    public byte HomeLock;

    /// <summary>Held by a parallel writer while it reads or writes the places.</summary>
    public byte PlacesLock;
    private readonly byte _unused;

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
