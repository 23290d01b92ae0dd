using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;

namespace SuperSlab;

/// <summary>
/// The checks of hardened mode at each free: the address is the beginning of a block, its run's bitmap says that the
/// block is out, and it does not carry the mark of a freed block. The mark is the block's first four bytes, its address
/// mixed with a secret. A block that was never written since may still carry it, so a marked block is searched for
/// where free blocks are kept. Any thread.
/// </summary>
internal sealed unsafe class HardenedFrees
{
    // Each free reads these; a copy here saves it the way through other objects.
    private readonly nuint _base;
    private readonly uint* _tags;
    private readonly nuint _arenaTag;
    private readonly SlabRun* _runs;
    private readonly ClassState* _classes;
    private readonly uint _secret;
    private nuint _bytes;

    private readonly string _arena;
    private readonly ArenaSlabs _slabs;
    private readonly ArenaCaches _caches;

    public HardenedFrees(string arena, Reservation reservation, ArenaSlabs slabs, ArenaCaches caches, uint arenaTag)
    {
        _arena = arena;
        _slabs = slabs;
        _caches = caches;
        _base = (nuint)reservation.Base;
        _bytes = reservation.BlockBytes;
        _tags = reservation.Tags;
        _arenaTag = arenaTag;
        _runs = slabs.Runs[0];
        _classes = slabs.ClassOf(0);

        // It need not withstand an attacker, and the cryptographic generator needs a library that a machine may lack.
        _secret = (uint)Random.Shared.NextInt64();
    }

    /// <summary>Frees a block that passes the checks where the loaded magazine has room.</summary>
    /// <returns>False, with nothing changed, where the slow path must look closer.</returns>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool TryFree(ThreadCache* cache, nuint block)
    {
        nuint offset = block - _base;
        if (offset < _bytes)
        {
            nuint slab = offset >> SlabGeometry.SlabShift;
            nuint sizeClass = _tags[slab] ^ _arenaTag;
            if (sizeClass <= byte.MaxValue && IsOut(slab, sizeClass, offset) && *(uint*)block != MarkOf(block)
                && ThreadCache.TryFree(cache, sizeClass, block))
            {
                *(uint*)block = MarkOf(block);
                return true;
            }
        }

        return false;
    }

    /// <summary>Makes all checks of a block that is about to be freed, and marks it.</summary>
    /// <param name="sizeClass">Its slab's class.</param>
    /// <param name="block">Its address, in a slab of the arena.</param>
    /// <exception cref="EngineMemoryException">The block cannot be freed. Nothing has changed.</exception>
    public void Check(int sizeClass, nuint block)
    {
        nuint offset = block - _base;
        nuint slab = offset >> SlabGeometry.SlabShift;
        SlabRun* run = _runs + slab - _runs[slab].Offset;
        nuint inside = OffsetInRun(slab, offset);
        nuint blockBytes = _classes[sizeClass].BlockBytes;
        if (blockBytes == 0 ? inside != 0 : inside % blockBytes != 0 || inside / blockBytes >= run->Capacity)
            ThrowInside(sizeClass, block, inside);

        bool isMarked = *(uint*)block == MarkOf(block);
        if (!IsOut(slab, (nuint)sizeClass, offset) || (isMarked && _caches.Holds(sizeClass, block)))
            ThrowFreedTwice(sizeClass, block);

        *(uint*)block = MarkOf(block);
    }

    /// <summary>Sends every later free to the slow path, which says that the arena is disposed.</summary>
    public void Close() => _bytes = 0;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private uint MarkOf(nuint block) => _secret ^ (uint)block;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private nuint OffsetInRun(nuint slab, nuint offset) =>
        (offset & (SlabGeometry.SlabBytes - 1)) + ((nuint)_runs[slab].Offset << SlabGeometry.SlabShift);

    /// <summary>
    /// Whether a block begins there that its run does not hold. Division by multiplication holds for a run of one block
    /// too, because only its first slab has its tag.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private bool IsOut(nuint slab, nuint sizeClass, nuint offset)
    {
        SlabRun* run = _runs + (slab - _runs[slab].Offset);
        ClassState* state = _classes + sizeClass;
        nuint inside = OffsetInRun(slab, offset);
        nuint index = (inside * (nuint)state->Reciprocal) >> SlabRuns.ReciprocalShift;
        return index * state->BlockBytes == inside && index < run->Capacity
            && (run->Bitmap[index >> 6] & (1UL << (int)index)) == 0;
    }

    [DoesNotReturn]
    private void ThrowInside(int sizeClass, nuint block, ulong offset)
    {
        nuint blockBytes = _slabs.ClassOf(sizeClass)->BlockBytes;
        throw new EngineMemoryException(
            $"0x{block:x} was to be freed in arena '{_arena}' and lies inside a block of {Text(sizeClass, block)}, "
            + $"{Sizes.Count((long)(blockBytes == 0 ? offset : offset % blockBytes), "byte", "bytes")} from its "
            + "beginning; "
            + "only the address that the allocation returned can be freed.");
    }

    [DoesNotReturn]
    private void ThrowFreedTwice(int sizeClass, nuint block) => throw new EngineMemoryException(
        $"The block at 0x{block:x} ({Text(sizeClass, block)}, arena '{_arena}') was freed twice: it is free already.");

    private string Text(int sizeClass, nuint block) => Sizes.Text(_slabs.UsableBytes((nint)block, sizeClass));
}
