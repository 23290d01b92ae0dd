using Engine.Core;

namespace Engine.Arenas;

/// <content>What hardened and full checks do on the way; see <see cref="Checking.MemoryChecks"/>.</content>
public sealed unsafe partial class LongLivedArena
{
    private nuint UsableBytes(void* block, int sizeClass) => _checked?.BytesOf(block) ?? _slabs.UsableBytes((nint)block, sizeClass);

    /// <returns>The size that was asked for.</returns>
    private nuint FreeChecked(void* block)
    {
        // What is damaged is said after the block is freed; an address that is no block changes nothing.
        nuint bytes = _checked!.BytesOf(block, "freed");
        _tracker!.Remove((nuint)block);
        _checked.Free(block, AllocationTag.CurrentName);
        return bytes;
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
