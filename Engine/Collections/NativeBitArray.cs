using System.Diagnostics.CodeAnalysis;
using System.Numerics;
using System.Runtime.CompilerServices;

namespace SuperSlab.Collections;

/// <summary>
/// Bits of a fixed number in an arena or a lane, with searches and ranges a word of 64 at a time. A struct of 16 bytes
/// to
/// be copied freely: copies are the same bits. Hot-loop safe; one thread at a time changes it, any number read it.
/// </summary>
public unsafe struct NativeBitArray : IDisposable
{
    private const int WordBits = 64;

    private ContainerHandle _handle;

    /// <summary>Makes bits that are all clear.</summary>
    /// <param name="arena">Where they lie: a long-lived arena, a small arena or a lane.</param>
    /// <param name="length">The number of bits.</param>
    /// <param name="file">Left out: where it is made, for messages.</param>
    /// <param name="line">Left out: the line there.</param>
    /// <exception cref="ArgumentOutOfRangeException">The length is negative.</exception>
    /// <exception cref="EngineOutOfMemoryException">There is no memory.</exception>
    /// <exception cref="ObjectDisposedException">The arena is disposed.</exception>
    public NativeBitArray(
        ArenaRef arena, int length, [CallerFilePath] string file = "", [CallerLineNumber] int line = 0)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        int words = (int)((length + (long)WordBits - 1) / WordBits);
        _handle = ContainerHandle.Make<ContainerHeader>(
            arena, typeof(NativeBitArray), file, line, words, sizeof(ulong));
        ContainerHeader* header = _handle.Read();
        header->Count = length;
        Words(header).Clear();
    }

    /// <summary>Whether it was made, and not disposed under this name.</summary>
    public readonly bool IsCreated => _handle.IsCreated;

    /// <summary>The number of bits.</summary>
    public readonly int Length => _handle.Count;

    /// <summary>A bit.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no such bit.</exception>
    public readonly bool this[int index]
    {
        get
        {
            ContainerHeader* header = _handle.Read();
            if ((uint)index >= (uint)header->Count)
                ContainerChecks.ThrowIndex(_handle, index, header->Count);

            return (((ulong*)header->Data)[index / WordBits] & (1ul << index)) != 0;
        }

        set
        {
            ref ulong word = ref ((ulong*)_handle.BeginWrite(index, 1)->Data)[index / WordBits];
            ulong bit = 1ul << index;
            word = value ? word | bit : word & ~bit;
            _handle.EndWrite();
        }
    }

    /// <summary>The bits as words of 64, the first in the lowest bit of the first. Bits behind the last are clear, and
    /// must stay so.</summary>
    public readonly Span<ulong> AsWords() => Words(_handle.Read());

    /// <summary>Sets or clears neighbouring bits.</summary>
    /// <exception cref="ArgumentOutOfRangeException">They are not all there.</exception>
    public readonly void SetRange(int index, int count, bool value)
    {
        ulong* words = (ulong*)_handle.BeginWrite(index, count)->Data;
        while (count > 0)
        {
            int offset = index % WordBits;
            int some = Math.Min(count, WordBits - offset);
            if (some == WordBits)
            {
                int whole = count / WordBits;
                new Span<ulong>(words + (index / WordBits), whole).Fill(value ? ulong.MaxValue : 0);
                some = whole * WordBits;
            }
            else
            {
                ulong mask = ((1ul << some) - 1) << offset;
                ref ulong word = ref words[index / WordBits];
                word = value ? word | mask : word & ~mask;
            }

            index += some;
            count -= some;
        }

        _handle.EndWrite();
    }

    /// <summary>How many bits are set.</summary>
    public readonly int CountSet()
    {
        long count = 0;
        foreach (ulong word in AsWords())
            count += BitOperations.PopCount(word);

        return (int)count;
    }

    /// <summary>Finds the first bit that is set, or that is clear, from one on.</summary>
    /// <param name="value">Whether it is to be set.</param>
    /// <param name="from">Where the search begins.</param>
    /// <returns>Its index; -1 where there is none.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The search begins outside.</exception>
    public readonly int FindFirst(bool value, int from = 0)
    {
        ContainerHeader* header = _handle.Read();
        int length = header->Count;
        if ((uint)from > (uint)length)
            ContainerChecks.ThrowIndex(_handle, from, length);

        if (from == length)
            return -1;

        ReadOnlySpan<ulong> words = Words(header);
        ulong none = value ? 0 : ulong.MaxValue;
        int at = from / WordBits;
        ulong found = (words[at] ^ none) & (ulong.MaxValue << (from % WordBits));
        if (found == 0)
        {
            int further = words[(at + 1)..].IndexOfAnyExcept(none);
            if (further < 0)
                return -1;

            at += 1 + further;
            found = words[at] ^ none;
        }

        int index = (at * WordBits) + BitOperations.TrailingZeroCount(found);
        return index < length ? index : -1;
    }

    /// <inheritdoc cref="NativeArray{T}.AsReadOnly"/>
    public readonly ReadOnly AsReadOnly() => new(this);

    /// <inheritdoc cref="NativeArray{T}.Dispose"/>
    public void Dispose() => ContainerHandle.Dispose(ref _handle);

    private static Span<ulong> Words(ContainerHeader* header) =>
        new(header->Data, (int)((header->Count + (long)WordBits - 1) / WordBits));

    /// <summary>The bits without what changes them.</summary>
    [SuppressMessage("Design", "CA1034", Justification = "Its name is said with that of the bit array only.")]
    public readonly struct ReadOnly
    {
        private readonly NativeBitArray _bits;

        internal ReadOnly(NativeBitArray bits) => _bits = bits;

        /// <inheritdoc cref="NativeBitArray.Length"/>
        public int Length => _bits.Length;

        /// <summary>A bit.</summary>
        /// <exception cref="ArgumentOutOfRangeException">There is no such bit.</exception>
        public bool this[int index] => _bits[index];

        /// <inheritdoc cref="NativeBitArray.AsWords"/>
        public ReadOnlySpan<ulong> AsWords() => _bits.AsWords();

        /// <inheritdoc cref="NativeBitArray.CountSet"/>
        public int CountSet() => _bits.CountSet();

        /// <inheritdoc cref="NativeBitArray.FindFirst"/>
        public int FindFirst(bool value, int from = 0) => _bits.FindFirst(value, from);
    }
}
