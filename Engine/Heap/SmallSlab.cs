using System.Diagnostics;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace SuperSlab;

/// <summary>
/// Describes what a small arena has from its group: a slab, which it divides among blocks of all sizes, or one large
/// block. The description lies apart from the slab, so nothing that a caller writes can harm it.
///
/// A slab is 64 cells of 1 KiB. A cell run is some neighbouring cells with up to 64 blocks of one class; a block above
/// 4 KiB, or aligned to more than a cell, is a run of its own. A run lives as long as a block of it.
/// <code>
///   head                              | class by cell | first cell by cell | free blocks by first cell
///   owner, links, free and open cells | 64 bytes      | 64 bytes           | 64 words
/// </code>
/// Equations:
/// <code>
///   bit c of FreeCells     &lt;=&gt;  cell c is in no run
///   First[c]                =   the first cell of the run that cell c is in
///   bit c of OpenCells     &lt;=&gt;  a run of a class begins at cell c, and Free[c] is not 0
///   Class[c], Free[c]       =   where a run begins: its class, its free blocks (1 = free); of a block that is a run
///                               of its own: Whole, its number of cells
/// </code>
/// </summary>
/// <remarks>
/// No list runs through the runs: comparing all 64 classes with the wanted one takes a few instructions, and the open
/// cells among the equal ones have the block. Under the lock of the arena, if it has one.
/// </remarks>
[StructLayout(LayoutKind.Sequential, Size = Bytes)]
internal unsafe struct SmallSlab
{
    public const int CellShift = 10;
    public const nuint CellBytes = 1 << CellShift;
    public const int Cells = (int)(SlabGeometry.SlabBytes / CellBytes);

    /// <summary>The size of a slab's description, of which a large block has only the head.</summary>
    public const int Bytes = HeadBytes + (2 * Cells) + (Cells * sizeof(ulong));
    public const int HeadBytes = 64;

    private const byte Whole = byte.MaxValue;

    /// <summary>The arena; null while nobody has it.</summary>
    public SmallBlocks* Owner;

    /// <summary>Neighbours in a <see cref="SmallSlabList"/>.</summary>
    public SmallSlab* Previous;
    public SmallSlab* Next;

    /// <summary>Where the slab or the large block begins.</summary>
    public nuint Start;

    /// <summary>The size of a large block; 0 in a slab.</summary>
    public nuint LargeBytes;
    public ulong FreeCells;
    public ulong OpenCells;
    private readonly ulong _apart;
    private fixed byte _class[Cells];
    private fixed byte _first[Cells];
    private fixed ulong _free[Cells];

    public readonly bool IsLarge => LargeBytes != 0;

    /// <summary>What the arena holds of its group for it.</summary>
    public readonly nuint HeldBytes => IsLarge ? LargeBytes : SlabGeometry.SlabBytes;

    public readonly bool IsFull => (FreeCells | OpenCells) == 0;

    public readonly bool IsEmpty => FreeCells == ulong.MaxValue;

    /// <summary>Describes a slab without runs. What stood there does not matter.</summary>
    public static void Begin(SmallSlab* slab, nuint start)
    {
        Debug.Assert(sizeof(SmallSlab) == Bytes, "the tables are as long as the constants say");
        *(SmallSlabHead*)slab = default;
        slab->Start = start;
        slab->FreeCells = ulong.MaxValue;
    }

    /// <summary>Describes a large block.</summary>
    public static void BeginLarge(SmallSlab* large, nuint start, nuint bytes)
    {
        *(SmallSlabHead*)large = default;
        large->Start = start;
        large->LargeBytes = bytes;
    }

    /// <summary>Takes a block of a class, from a run with free ones or a new run; 0 where there is no room.</summary>
    public static nuint TryTake(SmallSlab* slab, int sizeClass)
    {
        ulong open = slab->OpenCells & CellsOfClass(slab, (byte)sizeClass);
        if (open == 0)
        {
            int begun = BeginRun(slab, SmallClass.Of(sizeClass).Cells, alignment: 1, (byte)sizeClass);
            if (begun < 0)
                return 0;

            slab->_free[begun] = SmallClass.Of(sizeClass).AllFree;
            open = 1UL << begun;
            slab->OpenCells |= open;
        }

        int cell = BitOperations.TrailingZeroCount(open);
        ulong free = slab->_free[cell];
        Debug.Assert(free != 0, "an open run has a free block");
        slab->_free[cell] = free & (free - 1);
        if ((free & (free - 1)) == 0)
            slab->OpenCells &= ~(1UL << cell);

        return AddressOf(slab, cell)
            + ((nuint)BitOperations.TrailingZeroCount(free) * SmallClass.Of(sizeClass).BlockBytes);
    }

    /// <summary>Takes a block that is a run of its own; 0 where the slab has no room.</summary>
    /// <param name="slab">The slab.</param>
    /// <param name="cells">Its size in cells.</param>
    /// <param name="alignment">A power of two: the block begins at a multiple of as many cells.</param>
    public static nuint TryTakeWhole(SmallSlab* slab, int cells, int alignment)
    {
        int cell = BeginRun(slab, cells, alignment, Whole);
        if (cell < 0)
            return 0;

        slab->_free[cell] = (ulong)cells;
        return AddressOf(slab, cell);
    }

    /// <summary>Looks at an address in the slab or at the large block.</summary>
    public static SmallBlock Find(SmallSlab* slab, nuint address)
    {
        nuint offset = address - slab->Start;
        if (slab->IsLarge)
            return new SmallBlock(offset == 0 ? SmallBlockState.Live : SmallBlockState.Inside, slab->LargeBytes, 0, 0);

        int cell = (int)(offset >> CellShift);
        if ((slab->FreeCells >> cell & 1) != 0)
            return default;

        int first = slab->_first[cell];
        nuint inRun = offset - ((nuint)first << CellShift);
        byte sizeClass = slab->_class[first];
        if (sizeClass == Whole)
        {
            nuint bytes = (nuint)slab->_free[first] << CellShift;
            return new SmallBlock(inRun == 0 ? SmallBlockState.Live : SmallBlockState.Inside, bytes, first, -1);
        }

        ref readonly SmallClass size = ref SmallClass.Of(sizeClass);
        int index = size.IndexOf(inRun);
        SmallBlockState state = inRun != (nuint)index * size.BlockBytes || index >= size.Capacity
            ? SmallBlockState.Inside
            : (slab->_free[first] >> index & 1) != 0 ? SmallBlockState.Free : SmallBlockState.Live;
        return new SmallBlock(state, size.BlockBytes, first, index);
    }

    /// <summary>Frees a live block of the slab. A run without live blocks ends.</summary>
    public static void Free(SmallSlab* slab, in SmallBlock block)
    {
        Debug.Assert(block.State == SmallBlockState.Live && !slab->IsLarge, "only a live block of a slab is freed");
        if (block.Index < 0)
        {
            slab->FreeCells |= CellMask((int)(block.Bytes >> CellShift)) << block.Cell;
            return;
        }

        ref readonly SmallClass size = ref SmallClass.Of(slab->_class[block.Cell]);
        ulong free = slab->_free[block.Cell] | (1UL << block.Index);
        slab->_free[block.Cell] = free;
        if (free != size.AllFree)
        {
            slab->OpenCells |= 1UL << block.Cell;
        }
        else
        {
            slab->OpenCells &= ~(1UL << block.Cell);
            slab->FreeCells |= CellMask(size.Cells) << block.Cell;
        }
    }

    /// <summary>The live block at or behind an offset, or none: <see cref="SmallBlock.Bytes"/> is 0 then.</summary>
    /// <param name="slab">The slab or large block.</param>
    /// <param name="address">Where to begin; moves to the block.</param>
    public static SmallBlock NextLive(SmallSlab* slab, ref nuint address)
    {
        nuint end = slab->Start + (slab->IsLarge ? 1 : SlabGeometry.SlabBytes);
        while (address < end)
        {
            SmallBlock block = Find(slab, address);
            if (block.State == SmallBlockState.Live)
                return block;

            // Behind a free block, or at the next cell.
            address = block.State == SmallBlockState.Free && block.Bytes != 0
                ? address + block.Bytes
                : (address & ~(CellBytes - 1)) + CellBytes;
        }

        return default;
    }

    /// <returns>What contradicts the equations, or null.</returns>
    public static string? Fault(SmallSlab* slab)
    {
        ulong used = 0;
        for (int cell = 0; cell < Cells; cell++)
        {
            ulong bit = 1UL << cell;
            bool isFree = (slab->FreeCells & bit) != 0;
            bool isOpen = (slab->OpenCells & bit) != 0;
            if (isFree || (used & bit) != 0)
            {
                if (isOpen || isFree == ((used & bit) != 0))
                    return $"cell {cell} is free or inside a run, and is marked otherwise";

                continue;
            }

            byte sizeClass = slab->_class[cell];
            bool isWhole = sizeClass == Whole;
            if (!isWhole && sizeClass >= SmallClass.Count)
                return $"a run of the unknown class {sizeClass} begins at cell {cell}";

            ulong free = slab->_free[cell];
            int length = isWhole ? (int)free : SmallClass.Of(sizeClass).Cells;
            if (length < 1 || length > Cells - cell)
                return $"the run at cell {cell} has {length} cells";

            for (int inside = cell; inside < cell + length; inside++)
            {
                if (slab->_first[inside] != cell)
                    return $"cell {inside} does not know the run that begins at cell {cell}";
            }

            used |= CellMask(length) << cell;
            ulong allFree = isWhole ? 0 : SmallClass.Of(sizeClass).AllFree;
            if (!isWhole && ((free & ~allFree) != 0 || free == allFree || isOpen != (free != 0)))
                return $"the run at cell {cell} has the free blocks {free:x}, and is {(isOpen ? "" : "not ")}open";
        }

        return null;
    }

    private static nuint AddressOf(SmallSlab* slab, int cell) => slab->Start + ((nuint)cell << CellShift);

    private static ulong CellMask(int cells) => cells == Cells ? ulong.MaxValue : (1UL << cells) - 1;

    /// <summary>The cells whose class is this one. Only those where a run begins have a class.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong CellsOfClass(SmallSlab* slab, byte sizeClass) => Vector512
        .Equals(Vector512.Load(slab->_class), Vector512.Create(sizeClass)).ExtractMostSignificantBits();

    /// <summary>Takes the first free cells that suffice; -1 where there are none.</summary>
    private static int BeginRun(SmallSlab* slab, int cells, int alignment, byte sizeClass)
    {
        ulong begins = slab->FreeCells;
        for (int have = 1; have < cells;)
        {
            int step = Math.Min(have, cells - have);
            begins &= begins >> step;
            have += step;
        }

        begins &= alignment == Cells ? 1 : ulong.MaxValue / CellMask(alignment);
        if (begins == 0)
            return -1;

        int first = BitOperations.TrailingZeroCount(begins);
        slab->FreeCells &= ~(CellMask(cells) << first);
        slab->_class[first] = sizeClass;
        new Span<byte>(slab->_first + first, cells).Fill((byte)first);
        return first;
    }

    /// <summary>The fields before the tables, to be cleared alone.</summary>
    [StructLayout(LayoutKind.Sequential, Size = HeadBytes)]
    private struct SmallSlabHead;
}

/// <summary>What an address of a <see cref="SmallSlab"/> is.</summary>
internal enum SmallBlockState
{
    /// <summary>No live block begins there: it is free, or in no run.</summary>
    Free,

    /// <summary>A live block begins there.</summary>
    Live,

    /// <summary>It lies inside a block.</summary>
    Inside,
}

/// <param name="State">What begins there.</param>
/// <param name="Bytes">The size of the blocks there; 0 where no run is.</param>
/// <param name="Cell">The first cell of its run.</param>
/// <param name="Index">Its number in the run; -1 where it is a run of its own.</param>
internal readonly record struct SmallBlock(SmallBlockState State, nuint Bytes, int Cell, int Index);

/// <summary>
/// The size classes that share cells, up to 4 KiB: a run has the fewest cells that leave at most 1/8 of it unused.
/// </summary>
internal readonly struct SmallClass
{
    public const nuint LargestBytes = 4096;

    private const int ReciprocalShift = 32;

    private static readonly SmallClass[] s_all = MakeAll();

    private SmallClass(int sizeClass)
    {
        BlockBytes = (uint)SizeClasses.BlockBytes(sizeClass);
        nuint unused;
        do
        {
            nuint bytes = (nuint)(++Cells) << SmallSlab.CellShift;
            Capacity = (int)(bytes / BlockBytes);
            unused = Capacity == 0 ? bytes : bytes - ((nuint)Capacity * BlockBytes);
        }
        while (unused > ((nuint)Cells << SmallSlab.CellShift) / 8);

        Debug.Assert(Capacity is > 0 and <= 64, "the free blocks of a run fit in a word");
        AllFree = Capacity == 64 ? ulong.MaxValue : (1UL << Capacity) - 1;
        Reciprocal = ((1UL << ReciprocalShift) + BlockBytes - 1) / BlockBytes;
    }

    public static int Count => s_all.Length;

    public uint BlockBytes { get; }

    public int Cells { get; }

    /// <summary>Blocks in a run.</summary>
    public int Capacity { get; }

    public ulong AllFree { get; }

    private ulong Reciprocal { get; }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ref readonly SmallClass Of(int sizeClass) => ref s_all[sizeClass];

    /// <summary>The block that an offset of a run lies in; exact below 64 KiB.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public int IndexOf(nuint offset) => (int)((offset * Reciprocal) >> ReciprocalShift);

    private static SmallClass[] MakeAll()
    {
        SmallClass[] all = new SmallClass[SizeClasses.IndexOf(LargestBytes) + 1];
        for (int sizeClass = 0; sizeClass < all.Length; sizeClass++)
            all[sizeClass] = new SmallClass(sizeClass);

        return all;
    }
}
