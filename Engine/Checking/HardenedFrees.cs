using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using Engine.Caches;
using Engine.Core;
using Engine.Slabs;
using Engine.SuperSlabs;

namespace Engine.Checking;

/// <summary>
/// What hardened mode looks at in each free: the address is the beginning of a block, the block is out as its run's bitmap says, and it
/// does not carry the mark of a block that was freed. The mark is the block's first word, its address mixed with a secret; a block that
/// carries it may have it by never having been written, so it is then searched for where free blocks are kept. Any thread.
/// </summary>
internal sealed unsafe class HardenedFrees
{
    private readonly string _arena;
    private readonly Reservation _reservation;
    private readonly ArenaSlabs _slabs;
    private readonly ArenaCaches _caches;
    private readonly nuint _secret;

    public HardenedFrees(string arena, Reservation reservation, ArenaSlabs slabs, ArenaCaches caches)
    {
        _arena = arena;
        _reservation = reservation;
        _slabs = slabs;
        _caches = caches;
        nuint secret;
        RandomNumberGenerator.Fill(new Span<byte>(&secret, sizeof(nuint)));
        _secret = secret;
    }

    /// <summary>Looks at a block that is about to be freed and marks it.</summary>
    /// <param name="cache">The calling thread's.</param>
    /// <param name="sizeClass">Its slab's class.</param>
    /// <param name="block">Its address, in a slab of the arena.</param>
    /// <exception cref="EngineMemoryException">It is no block that can be freed. Nothing has changed.</exception>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Check(ThreadCache* cache, int sizeClass, nuint block)
    {
        int slab = _slabs.Runs.SlabOf((nint)block);
        slab -= _slabs.Runs[slab]->Offset;
        SlabRun* run = _slabs.Runs[slab];
        ClassState* state = _slabs.ClassOf(sizeClass);
        ulong offset = block - (nuint)_reservation.AddressOfSlab(slab);
        int index = SlabRuns.IndexOf(state, run, offset);
        if (offset != (ulong)index * state->BlockBytes || index >= run->Capacity)
        {
            ThrowInside(sizeClass, block, offset);
        }

        if ((run->Bitmap[index >> 6] >> (index & 63) & 1) != 0)
        {
            ThrowFreedTwice(sizeClass, block);
        }

        if (*(nuint*)block == (_secret ^ block) && _caches.Holds(cache, sizeClass, block))
        {
            ThrowFreedTwice(sizeClass, block);
        }

        *(nuint*)block = _secret ^ block;
    }

    [DoesNotReturn]
    private void ThrowInside(int sizeClass, nuint block, ulong offset) => throw new EngineMemoryException(
        $"0x{block:x} was to be freed in arena '{_arena}' and lies inside a block of {Sizes.Text(_slabs.UsableBytes((nint)block, sizeClass))}, "
        + $"{(_slabs.ClassOf(sizeClass)->BlockBytes == 0 ? offset : offset % _slabs.ClassOf(sizeClass)->BlockBytes)} bytes from its beginning; only the address that the allocation returned can be.");

    [DoesNotReturn]
    private void ThrowFreedTwice(int sizeClass, nuint block) => throw new EngineMemoryException(
        $"The block at 0x{block:x} ({Sizes.Text(_slabs.UsableBytes((nint)block, sizeClass))}, arena '{_arena}') was freed twice: it is free already.");
}
