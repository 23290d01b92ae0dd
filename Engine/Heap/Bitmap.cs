using System.Diagnostics;
using System.Numerics;
using System.Runtime.CompilerServices;

namespace SuperSlab;

/// <summary>Runs of set bits in an array of words. No state of its own; the callers hold their locks.</summary>
internal static unsafe class Bitmap
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool IsSet(ulong* words, int index) => (words[index >> 6] >> (index & 63) & 1) != 0;

    public static void Set(ulong* words, int start, int count) => Change(words, start, count, set: true);

    public static void Clear(ulong* words, int start, int count) => Change(words, start, count, set: false);

    /// <summary>The first index in [start, end) where a run of bits set in both bitmaps begins, or -1.</summary>
    public static int FindRun(ulong* first, ulong* second, int start, int end, int count)
    {
        int run = 0;
        int index = start;
        while (index < end)
        {
            ulong word = (first[index >> 6] & second[index >> 6]) >> (index & 63);
            int left = 64 - (index & 63);
            if (word == 0)
            {
                run = 0;
                index += left;
                continue;
            }

            int zeros = BitOperations.TrailingZeroCount(word);
            if (zeros != 0)
            {
                run = 0;
                index += zeros;
                word >>= zeros;
                left -= zeros;
            }

            int ones = Math.Min(BitOperations.TrailingZeroCount(~word), left);
            run += ones;
            index += ones;
            if (run >= count)
            {
                int found = index - run;
                return found + count <= end ? found : -1;
            }
        }

        return -1;
    }

    /// <summary>The run of bits with a value that begins at <paramref name="start"/>, up to a limit.</summary>
    public static int RunLength(ulong* words, int start, int limit, bool value)
    {
        int length = 0;
        while (length < limit)
        {
            int index = start + length;
            ulong word = (value ? ~words[index >> 6] : words[index >> 6]) >> (index & 63);
            int left = 64 - (index & 63);
            int same = word == 0 ? left : BitOperations.TrailingZeroCount(word);
            length += same;
            if (same < left)
                break;
        }

        return Math.Min(length, limit);
    }

    /// <summary>A word with a run of ones, at most 32.</summary>
    public static uint Mask(int first, int count) => (count == 32 ? uint.MaxValue : (1u << count) - 1) << first;

    /// <summary>The lowest run of ones in a word that has some.</summary>
    public static (int First, int Count) LowestRun(uint word)
    {
        int first = BitOperations.TrailingZeroCount(word);
        return (first, BitOperations.TrailingZeroCount(~(word >> first)));
    }

    /// <summary>The longest run of ones in a word of 32 bits.</summary>
    public static int LongestRun(uint word)
    {
        int length = 0;
        for (; word != 0; word &= word >> 1)
            length++;

        return length;
    }

    /// <summary>The lowest index of a run of ones in a word that has one of this length.</summary>
    public static int FindRun(uint word, int count) => BitOperations.TrailingZeroCount(StartsOfRuns(word, count));

    /// <summary>The highest index of a run of ones in a word that has one of this length.</summary>
    public static int FindLastRun(uint word, int count) => BitOperations.Log2(StartsOfRuns(word, count));

    private static uint StartsOfRuns(uint word, int count)
    {
        for (int have = 1; have < count;)
        {
            int step = Math.Min(have, count - have);
            word &= word >> step;
            have += step;
        }

        return word;
    }

    private static void Change(ulong* words, int start, int count, bool set)
    {
        Debug.Assert(start >= 0 && count >= 0, "a range of bits");
        while (count > 0)
        {
            int bit = start & 63;
            int here = Math.Min(64 - bit, count);
            ulong mask = (here == 64 ? ulong.MaxValue : (1UL << here) - 1) << bit;
            words[start >> 6] = set ? words[start >> 6] | mask : words[start >> 6] & ~mask;
            start += here;
            count -= here;
        }
    }
}
