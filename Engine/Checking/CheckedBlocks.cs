using Engine.Core;
using Engine.Slabs;
using Engine.SuperSlabs;

namespace Engine.Checking;

/// <summary>
/// One arena's blocks in checked mode: each is made a little larger and filled, surrounded by red zones, remembered, and after its free
/// held back in a quarantine whose bytes nobody may write. The arena's threads hold no blocks back, so every call comes here. Any thread.
/// </summary>
internal sealed unsafe class CheckedBlocks(string arena, CheckSettings settings, ArenaSlabs slabs, SuperSlabPool pool)
{
    /// <summary>What a block holds before it is written, after it was freed, and around it.</summary>
    public const byte Fresh = 0xCD;
    public const byte Freed = 0xDD;
    public const byte Zone = 0xFD;

    private const nuint ZoneBytes = 16;
    private const int HistoryLength = 4096;

    private readonly Dictionary<nuint, CheckedBlock> _live = [];
    private readonly Queue<CheckedBlock> _quarantine = [];
    private readonly Queue<CheckedBlock> _history = [];
    private readonly Lock _lock = new();
    private nuint _quarantined;
    private long _calls;
    private long _allocations;

    /// <returns>The block, or null where the reservation is full.</returns>
    /// <exception cref="EngineOutOfMemoryException">The system gave no memory.</exception>
    public void* Allocate(nuint bytes, nuint alignment, string? tag)
    {
        lock (_lock)
        {
            nuint page = pool.PageBytes;
            bool guard = page < SuperSlab.SlabBytes
                && (bytes >= settings.GuardFromBytes || (settings.GuardOneIn != 0 && ++_allocations % settings.GuardOneIn == 0));
            nuint end = guard ? Sizes.AlignUp(bytes + ZoneBytes, page) : bytes + ZoneBytes;
            nuint wanted = guard ? end + page : end;
            int sizeClass = SizeClasses.IndexOf(wanted, guard ? nuint.Max(alignment, page) : alignment);
            nuint raw;
            if (sizeClass == SizeClasses.Huge)
            {
                raw = slabs.AllocateHuge(wanted);
            }
            else if (slabs.Fill(sizeClass, &raw, 1) == 0)
            {
                raw = 0;
            }

            return raw == 0 ? null : (void*)Admit(raw, bytes, alignment, sizeClass, end, guard, tag);
        }
    }

    /// <summary>Frees a block of this arena's slabs, after looking whether it was written where it may not be.</summary>
    /// <exception cref="EngineMemoryException">
    /// The address is no live block: nothing has changed. Or the block, or one that was freed before, was damaged: this one is freed.
    /// </exception>
    public void Free(void* address, string? tag)
    {
        lock (_lock)
        {
            CheckedBlock block = Require((nuint)address, "freed");
            _live.Remove(block.Address);
            block.Freed = CheckedCall.Now(++_calls, tag, settings.CallStacks);
            string? damage = DamagedZone(block);
            new NativeSpan(block.Raw, block.ZoneEnd - block.Raw).Fill(Freed);
            _quarantine.Enqueue(block);
            _quarantined += block.ZoneEnd - block.Raw;
            while (_quarantined > settings.QuarantineBytes)
            {
                damage ??= Release();
            }

            EngineMemoryException.ThrowIf(damage);
        }
    }

    /// <summary>What was asked for when a live block was allocated, in bytes.</summary>
    /// <exception cref="EngineMemoryException">The address is no live block.</exception>
    public nuint BytesOf(void* address, string done = "used")
    {
        lock (_lock)
        {
            return Require((nuint)address, done).Bytes;
        }
    }

    /// <summary>Looks at every red zone and at all freed memory that is held back.</summary>
    /// <exception cref="EngineMemoryException">Something was written where it may not be.</exception>
    public void Verify()
    {
        lock (_lock)
        {
            EngineMemoryException.ThrowIf(FindDamage());
        }
    }

    /// <summary>The live blocks by the size that was asked for, in bytes.</summary>
    public IReadOnlyList<(nuint Bytes, long Count)> Live()
    {
        lock (_lock)
        {
            return [.. _live.Values.GroupBy(block => block.Bytes).Select(group => (group.Key, group.LongCount())).OrderBy(size => size.Key)];
        }
    }

    /// <summary>The live blocks, each with the size that was asked for, in bytes.</summary>
    public IReadOnlyList<(nuint Address, nuint Bytes)> Blocks()
    {
        lock (_lock)
        {
            return [.. _live.Values.Select(block => (block.Address, block.Bytes))];
        }
    }

    /// <summary>Forgets all blocks, live or not, and opens their guard pages; the slabs are the caller's to throw away.</summary>
    /// <returns>What was damaged, as a sentence, or null.</returns>
    public string? Clear()
    {
        lock (_lock)
        {
            string? damage = FindDamage();
            foreach (CheckedBlock block in _live.Values)
            {
                OpenGuardPage(block);
            }

            foreach (CheckedBlock block in _quarantine)
            {
                OpenGuardPage(block);
            }

            _live.Clear();
            _quarantine.Clear();
            _history.Clear();
            _quarantined = 0;
            return damage;
        }
    }

    private nuint Admit(nuint raw, nuint bytes, nuint alignment, int sizeClass, nuint end, bool guard, string? tag)
    {
        nuint zoneEnd = raw + (guard ? end : nuint.Min(slabs.UsableBytes((nint)raw, sizeClass), end + 256));
        nuint address = raw;
        if (guard)
        {
            // The block ends as near to the page as its alignment allows; between them stands a red zone of 16 bytes or more.
            guard = pool.TryGuard((nint)zoneEnd);
            address = alignment <= pool.PageBytes ? (zoneEnd - ZoneBytes - bytes) & ~(nuint.Max(alignment, ZoneBytes) - 1) : raw;
        }

        CheckedBlock block = new()
        {
            Address = address,
            Bytes = bytes,
            Raw = raw,
            ZoneEnd = zoneEnd,
            SizeClass = sizeClass,
            HasGuardPage = guard,
            Allocated = CheckedCall.Now(++_calls, tag, settings.CallStacks),
        };
        new NativeSpan(raw, address - raw).Fill(Zone);
        new NativeSpan(address, bytes).Fill(Fresh);
        new NativeSpan(address + bytes, zoneEnd - address - bytes).Fill(Zone);
        _live.Add(address, block);
        return address;
    }

    private CheckedBlock Require(nuint address, string done)
    {
        if (_live.TryGetValue(address, out CheckedBlock? block))
        {
            return block;
        }

        CheckedCall now = CheckedCall.Now(_calls + 1, null, settings.CallStacks);
        foreach (CheckedBlock freed in _quarantine.Concat(_history).Reverse())
        {
            if (freed.Address == address)
            {
                string sentence = done == "freed" ? $"was freed twice: first {freed.Freed}, and now {now}" : $"was freed {freed.Freed}, and is used {now}";
                throw new EngineMemoryException($"In arena '{arena}', {freed} {sentence}. It was allocated {freed.Allocated}.");
            }
        }

        foreach (CheckedBlock live in _live.Values)
        {
            if (live.Contains(address))
            {
                throw new EngineMemoryException(
                    $"0x{address:x} was to be {done} {now} and lies {(long)(address - live.Address)} bytes from the beginning of {live} in arena '{arena}'; "
                    + $"only the address that the allocation returned can be. It was allocated {live.Allocated}.");
            }
        }

        throw new EngineMemoryException($"0x{address:x} was to be {done} {now}, and is no block of arena '{arena}': none that is live, and none of those freed lately.");
    }

    /// <summary>Gives the block that was freed the longest ago back to its run.</summary>
    /// <returns>What was damaged, or null.</returns>
    private string? Release()
    {
        CheckedBlock block = _quarantine.Dequeue();
        _quarantined -= block.ZoneEnd - block.Raw;
        string? damage = DamagedAfterFree(block);
        OpenGuardPage(block);
        nuint raw = block.Raw;
        slabs.Return(block.SizeClass, &raw, 1);
        _history.Enqueue(block);
        if (_history.Count > HistoryLength)
        {
            _history.Dequeue();
        }

        return damage;
    }

    private string? FindDamage()
    {
        string? damage = null;
        foreach (CheckedBlock block in _live.Values)
        {
            damage ??= DamagedZone(block);
        }

        foreach (CheckedBlock block in _quarantine)
        {
            damage ??= DamagedAfterFree(block);
        }

        return damage;
    }

    private string? DamagedZone(CheckedBlock block)
    {
        nuint wrong = new NativeSpan(block.Raw, block.Address - block.Raw).FirstOtherThan(Zone);
        string side = "before its beginning";
        nuint distance = block.Address - wrong;
        if (wrong == 0)
        {
            wrong = new NativeSpan(block.Address + block.Bytes, block.ZoneEnd - block.Address - block.Bytes).FirstOtherThan(Zone);
            side = "past its end";
            distance = wrong - block.Address - block.Bytes + 1;
        }

        return wrong == 0 ? null
            : $"In arena '{arena}', memory {Sizes.Text(distance)} {side} was written of {block}: 0x{*(byte*)wrong:x2} stands at 0x{wrong:x}. "
            + $"The block was allocated {block.Allocated}{(block.Freed is null ? "" : $" and freed {block.Freed}")}.";
    }

    private string? DamagedAfterFree(CheckedBlock block)
    {
        nuint wrong = new NativeSpan(block.Raw, block.ZoneEnd - block.Raw).FirstOtherThan(Freed);
        return wrong == 0 ? null
            : $"In arena '{arena}', {block} was written after it was freed: 0x{*(byte*)wrong:x2} stands {(long)(wrong - block.Address)} bytes from its beginning. "
            + $"It was allocated {block.Allocated} and freed {block.Freed}.";
    }

    private void OpenGuardPage(CheckedBlock block)
    {
        if (block.HasGuardPage)
        {
            pool.Unguard((nint)block.ZoneEnd);
        }
    }
}
