using System.Runtime.CompilerServices;
using Engine.Caches;
using Engine.Core;
using Engine.Slabs;
using Engine.SuperSlabs;

namespace Engine.Arenas;

/// <content>What hardened and full checks do on the way; see <see cref="Checking.MemoryChecks"/>.</content>
public sealed unsafe partial class LongLivedArena
{
    private nuint UsableBytes(void* block, int sizeClass) => _checked?.BytesOf(block) ?? _slabs.UsableBytes((nint)block, sizeClass);

    /// <summary>Hardened mode's fast path: a block of this arena, and room in the loaded magazine.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private bool TryFreeHardened(ThreadCache* cache, void* block)
    {
        nuint offset = (nuint)((nint)block - _reservation.Base);
        if (offset >= _reservation.BlockBytes)
        {
            return false;
        }

        nuint sizeClass = cache->Tags[offset >> SuperSlab.SlabShift] ^ _tag;
        if (sizeClass > byte.MaxValue)
        {
            return false;
        }

        nuint** tops = ThreadCache.TopsOf(cache);
        nuint* top = tops[sizeClass];
        if (((nuint)top & Magazine.Mask) == 0)
        {
            return false;
        }

        _hardened!.Check(cache, (int)sizeClass, (nuint)block);
        *top = (nuint)block;
        tops[sizeClass] = top + 1;
        return true;
    }

    private void FreeChecked(void* block)
    {
        // What is damaged is said after the block is freed; an address that is no block changes nothing.
        _ = _checked!.BytesOf(block, "freed");
        _tracker!.Remove((nuint)block);
        _checked.Free(block, AllocationTag.Current);
    }

    private void ReportChecks()
    {
        if (_checked?.Clear() is { } damage)
        {
            _checkSettings.Tell(damage);
        }

        if (_checked is not null && _checkSettings.Report is not null)
        {
            foreach (LiveAllocation left in LiveAllocations())
            {
                _checkSettings.Tell(
                    $"Arena '{Name}' was disposed with {left.Count} live blocks of {Sizes.Text(left.Bytes)}{(left.Tag is null ? "" : $", tag '{left.Tag}'")}."
                    + (left.CallStack is null ? "" : $"{Environment.NewLine}{left.CallStack}"));
            }
        }
    }
}
