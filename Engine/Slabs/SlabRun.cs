using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Engine.SuperSlabs;

namespace Engine.Slabs;

/// <summary>
/// A run of neighbouring slabs that holds blocks of one size class; for most classes a single slab. An extent is a run with one block.
/// Each slab has such a descriptor in the reservation's table; the first slab's is the run's, the others only say how far back it is.
/// Which blocks are free stands in a bitmap (1 = free), never in the blocks: a fresh run costs no page touch and nothing a caller
/// writes after freeing can harm the allocator.
///
/// Equations:
///   FreeBlocks            =  number of ones in the bitmap
///   FreeBlocks &gt; 0       &lt;=&gt; the run is in its class's list of runs with free blocks
///   blocks out            =  Capacity - FreeBlocks: with callers, or in thread caches
/// </summary>
[StructLayout(LayoutKind.Sequential, Size = Reservation.SlabDescriptorBytes)]
internal unsafe struct SlabRun
{
    /// <summary>Bitmaps of up to this many blocks stand in the descriptor itself.</summary>
    public const int InlineBlocks = 192;

    public ulong* Bitmap;
    public fixed ulong Inline[InlineBlocks / 64];
    public int FreeBlocks;

    /// <summary>Neighbours (slab numbers) in the class's list.</summary>
    public int Previous;
    public int Next;
    public ushort Capacity;
    public byte SizeClass;

    /// <summary>How many slabs back the run begins; 0 in the first.</summary>
    public byte Offset;
    public ushort FirstWord;

    /// <summary>A prewarm promised this very run, one of the class <see cref="SizeClasses.Huge"/>: it stays when its block is free.</summary>
    public bool IsPromised;
    public int SlabCount;

    public readonly int BitmapWords => (Capacity + 63) / 64;

    public readonly bool IsEmpty => FreeBlocks == Capacity;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static nuint BitmapBytes(int capacity) => (nuint)((capacity + 63) / 64 * sizeof(ulong));
}
