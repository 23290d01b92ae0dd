using System.Diagnostics;
using System.Runtime.InteropServices;

namespace SuperSlab;

/// <summary>
/// The blocks of one small arena: its slabs and large blocks. All that an arena needs besides is one <see
/// cref="SmallSlab"/> for each.
/// Equations:
/// <code>
///   Open  lists the slabs with room,  Full  those without and the large blocks;  each has this as its Owner
///   LiveBytes  =  bytes of the live blocks;  HeldBytes  =  bytes of the slabs and large blocks
/// </code>
/// </summary>
/// <remarks>
/// It takes and gives no memory itself. The caller holds <see cref="Lock"/> where several threads use the arena, and
/// takes slabs for it under no lock.
/// </remarks>
[StructLayout(LayoutKind.Sequential, Size = Bytes)]
internal unsafe struct SmallBlocks
{
    public const int Bytes = 128;

    /// <summary>
    /// How many slabs an allocation looks at. Those without room go to the end of the list, so an arena that has grown
    /// comes to each of its slabs, and holds about one part in eight more than a full search would.
    /// </summary>
    public const int MostSearched = 8;

    public int Lock;

    /// <summary>The arena's number in its group.</summary>
    public int Index;
    public SmallSlabList Open;
    public SmallSlabList Full;
    public nuint LiveBytes;
    public long LiveCount;
    public nuint HeldBytes;

    /// <summary>What was counted by tag, behind this, where counters are on.</summary>
    public static CounterCell* CountersOf(SmallBlocks* blocks) => (CounterCell*)(blocks + 1);

    /// <summary>Whether blocks of a size and alignment come out of slabs; others are large.</summary>
    public static bool IsInSlabs(nuint bytes, nuint alignment) =>
        bytes <= SlabGeometry.SlabBytes && alignment <= SlabGeometry.SlabBytes;

    /// <summary>Takes a block of the slabs; 0 where those that were looked at have no room.</summary>
    public static nuint TryTake(SmallBlocks* blocks, nuint bytes, nuint alignment)
    {
        Debug.Assert(IsInSlabs(bytes, alignment), "large blocks have no slab");
        int sizeClass = alignment > SmallSlab.CellBytes ? SmallClass.Count : SizeClasses.IndexOf(bytes, alignment);
        SmallSlab* first = blocks->Open.First;
        SmallSlab* slab = first;
        for (int searched = 0; slab != null && searched < MostSearched && (slab != first || searched == 0); searched++)
        {
            nuint block = sizeClass < SmallClass.Count
                ? SmallSlab.TryTake(slab, sizeClass)
                : SmallSlab.TryTakeWhole(slab, CellsOf(bytes), CellsOf(alignment));
            if (block != 0)
            {
                blocks->LiveCount++;
                blocks->LiveBytes += sizeClass < SmallClass.Count
                    ? SmallClass.Of(sizeClass).BlockBytes
                    : (nuint)CellsOf(bytes) << SmallSlab.CellShift;
                if (slab->IsFull)
                {
                    blocks->Open.Remove(slab);
                    blocks->Full.Push(slab);
                }

                return block;
            }

            blocks->Open.Remove(slab);
            blocks->Open.Append(slab);
            slab = blocks->Open.First;
        }

        return 0;
    }

    /// <summary>Frees a live block of a slab.</summary>
    /// <returns>The slab, now the caller's, where it is empty and not the only one with room; else null.</returns>
    public static SmallSlab* Free(SmallBlocks* blocks, SmallSlab* slab, in SmallBlock block)
    {
        bool wasFull = slab->IsFull;
        SmallSlab.Free(slab, block);
        blocks->LiveCount--;
        blocks->LiveBytes -= block.Bytes;
        if (wasFull)
        {
            blocks->Full.Remove(slab);
            blocks->Open.Push(slab);
        }

        bool isSpare = slab->IsEmpty && blocks->Open.First != blocks->Open.Last;
        if (!isSpare)
            return null;

        blocks->Open.Remove(slab);
        blocks->HeldBytes -= SlabGeometry.SlabBytes;
        return slab;
    }

    /// <summary>Makes a slab without blocks the arena's.</summary>
    public static void Adopt(SmallBlocks* blocks, SmallSlab* slab)
    {
        slab->Owner = blocks;
        blocks->HeldBytes += slab->HeldBytes;
        blocks->Open.Push(slab);
    }

    /// <summary>Makes a large block the arena's, and live.</summary>
    public static void AdoptLarge(SmallBlocks* blocks, SmallSlab* large)
    {
        large->Owner = blocks;
        blocks->HeldBytes += large->LargeBytes;
        blocks->LiveBytes += large->LargeBytes;
        blocks->LiveCount++;
        blocks->Full.Push(large);
    }

    /// <summary>Takes a large block, which is freed, out of the arena's.</summary>
    public static void RemoveLarge(SmallBlocks* blocks, SmallSlab* large)
    {
        blocks->LiveBytes -= large->LargeBytes;
        blocks->LiveCount--;
        blocks->HeldBytes -= large->LargeBytes;
        blocks->Full.Remove(large);
    }

    /// <summary>A large block has another size.</summary>
    public static void Grown(SmallBlocks* blocks, nuint more)
    {
        blocks->LiveBytes += more;
        blocks->HeldBytes += more;
    }

    /// <summary>Takes all slabs and large blocks out of the arena's, with all live blocks in them.</summary>
    /// <returns>The first; follow <see cref="SmallSlab.Next"/>.</returns>
    public static SmallSlab* TakeAll(SmallBlocks* blocks)
    {
        SmallSlab* all = blocks->Open.First;
        if (all == null)
            all = blocks->Full.First;
        else
            blocks->Open.Last->Next = blocks->Full.First;

        blocks->Open = blocks->Full = default;
        blocks->LiveBytes = blocks->HeldBytes = 0;
        blocks->LiveCount = 0;
        return all;
    }

    /// <returns>What contradicts the equations, or null.</returns>
    public static string? Fault(SmallBlocks* blocks)
    {
        nuint live = 0;
        nuint held = 0;
        long count = 0;
        for (int pass = 0; pass < 2; pass++)
        {
            SmallSlab* slab = pass == 0 ? blocks->Open.First : blocks->Full.First;
            for (SmallSlab* previous = null; slab != null; previous = slab, slab = slab->Next)
            {
                if (slab->Owner != blocks || slab->Previous != previous)
                    return $"the slab at 0x{slab->Start:x} is in a list that it does not belong to";

                if ((pass == 1) != (slab->IsLarge || slab->IsFull))
                    return $"the slab at 0x{slab->Start:x} is in the wrong list: with room, or without";

                if (!slab->IsLarge && SmallSlab.Fault(slab) is { } fault)
                    return $"in the slab at 0x{slab->Start:x}, {fault}";

                held += slab->HeldBytes;
                nuint address = slab->Start;
                for (SmallBlock block; (block = SmallSlab.NextLive(slab, ref address)).Bytes != 0;)
                {
                    live += block.Bytes;
                    count++;
                    address += block.Bytes;
                }
            }
        }

        return (live, held, count) == (blocks->LiveBytes, blocks->HeldBytes, blocks->LiveCount) ? null
            : $"{blocks->LiveCount} blocks of {blocks->LiveBytes} bytes are counted in {blocks->HeldBytes} bytes, and "
                + $"{count} of {live} bytes are in {held}";
    }

    private static int CellsOf(nuint bytes) =>
        (int)Sizes.DivideRoundingUp(nuint.Max(bytes, 1), SmallSlab.CellBytes);
}

/// <summary>A list of slabs, linked both ways.</summary>
internal unsafe struct SmallSlabList
{
    public SmallSlab* First;
    public SmallSlab* Last;

    public void Push(SmallSlab* slab)
    {
        slab->Previous = null;
        slab->Next = First;
        if (First != null)
            First->Previous = slab;
        else
            Last = slab;

        First = slab;
    }

    public void Append(SmallSlab* slab)
    {
        slab->Previous = Last;
        slab->Next = null;
        if (Last != null)
            Last->Next = slab;
        else
            First = slab;

        Last = slab;
    }

    public void Remove(SmallSlab* slab)
    {
        if (slab->Previous != null)
            slab->Previous->Next = slab->Next;
        else
            First = slab->Next;

        if (slab->Next != null)
            slab->Next->Previous = slab->Previous;
        else
            Last = slab->Previous;
    }
}
