using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;

namespace SuperSlab;

/// <summary>
/// One arena's blocks in checked mode: each is a little larger, filled, between red zones, and remembered; its free
/// holds it back in a quarantine whose bytes nobody may write. Threads hold no blocks, so all calls come here.
/// <para>
/// Any thread. The lock guards the tables only: outside it, blocks are taken from the slabs and returned, and guard
/// pages closed and opened, because the system may take its time. A block is meanwhile its thread's own. One whose
/// guard page the system does not open stays here, and each later free tries again: no block is returned with an
/// inaccessible page.
/// </para>
/// </summary>
internal sealed unsafe class CheckedBlocks(
    string arena, CheckSettings settings, IBlockSource source, SuperSlabPool pool)
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

    /// <summary>Blocks that left the quarantine and could not be returned. It needs no lock to add one.</summary>
    private readonly ConcurrentQueue<CheckedBlock> _refused = [];
    private readonly Lock _lock = new();
    private nuint _quarantined;
    private long _calls;
    private long _allocations;

    /// <summary>Damage that an allocation found; the next free reports it.</summary>
    private string? _untold;

    /// <returns>The block, or null where the reservation is full.</returns>
    /// <exception cref="EngineOutOfMemoryException">The system gave no memory.</exception>
    /// <exception cref="Exception">What <see cref="CheckSettings.Report"/> threw; nothing has changed.</exception>
    public void* Allocate(nuint bytes, nuint alignment, string? tag)
    {
        TellOfGuardShortage();
        nuint page = pool.PageBytes;
        bool guard = page < SlabGeometry.SlabBytes && (bytes >= settings.GuardFromBytes || IsNextGuarded());
        nuint end = guard ? Sizes.AlignUp(bytes + ZoneBytes, page) : bytes + ZoneBytes;
        nuint wanted = guard ? end + page : end;
        nuint rawAlignment = guard ? nuint.Max(alignment, page) : alignment;
        nuint raw = TakeRaw(wanted, rawAlignment);
        return raw == 0 ? null : (void*)Admit(raw, bytes, alignment, end, guard, tag);
    }

    /// <summary>Checks the bytes around a block and frees it. It never fails for want of memory.</summary>
    /// <exception cref="EngineMemoryException">
    /// The address is no live block: nothing has changed. Or this block, or one freed before, is damaged: this one is
    /// freed.
    /// </exception>
    public void Free(void* address, string? tag)
    {
        string? damage;
        lock (_lock)
        {
            CheckedBlock block = Require((nuint)address, "freed");
            CheckedCall freed = NewCall(tag);
            _quarantine.Enqueue(block);
            _live.Remove(block.Address);
            block.Freed = freed;
            damage = DamagedZone(block);
            new NativeSpan(block.Raw, block.ZoneBytes).Fill(Freed);
            _quarantined += block.ZoneBytes;
        }

        damage = Joined(damage, ReleaseDownTo(settings.QuarantineBytes, out _));
        damage = Joined(damage, Interlocked.Exchange(ref _untold, null));
        EngineMemoryException.ThrowIf(damage);
    }

    /// <summary>The size that a live block was allocated with, in bytes.</summary>
    /// <exception cref="EngineMemoryException">The address is no live block.</exception>
    public nuint BytesOf(void* address, string done = "used")
    {
        lock (_lock)
            return Require((nuint)address, done).Bytes;
    }

    /// <summary>Checks every red zone and all freed memory that is held back.</summary>
    /// <exception cref="EngineMemoryException">Something was written where it may not be.</exception>
    public void Verify() => EngineMemoryException.ThrowIf(FindDamage() is [string first, ..] ? first : null);

    /// <summary>All that was written where it may not be, a sentence each.</summary>
    public IReadOnlyList<string> FindDamage()
    {
        lock (_lock)
            return [.. Damages()];
    }

    /// <summary>The live blocks by the size that was asked for, in bytes.</summary>
    public IReadOnlyList<(nuint Bytes, long Count)> Live() =>
        [.. Blocks().CountBy(block => block.Bytes).Select(size => (size.Key, (long)size.Value)).Order()];

    /// <summary>The live blocks, each with the size that was asked for, in bytes.</summary>
    public IReadOnlyList<(nuint Address, nuint Bytes)> Blocks()
    {
        lock (_lock)
            return [.. _live.Values.Select(block => (block.Address, block.Bytes))];
    }

    /// <summary>Opens all guard pages and forgets all blocks. No other thread uses the arena.</summary>
    /// <returns>What was damaged, as a sentence, or null.</returns>
    /// <exception cref="EngineOutOfMemoryException">The system did not open a guard page. All blocks stay.</exception>
    public string? Clear()
    {
        lock (_lock)
        {
            string? damage = Damages().FirstOrDefault();
            foreach (CheckedBlock block in All())
                OpenGuardPage(block);

            Forget();
            return damage;
        }
    }

    /// <summary>
    /// Clears without failing, for slabs that go to the pool. Where the system does not open a page, its SuperSlab is
    /// prefaulted again before it is used.
    /// </summary>
    /// <returns>The pages that stay closed.</returns>
    public IReadOnlyList<nuint> Abandon()
    {
        lock (_lock)
        {
            List<nuint> closed = [];
            foreach (CheckedBlock block in All())
            {
                if (!TryOpenGuardPage(block))
                {
                    pool.Distrust((nint)block.ZoneEnd, block.Guard);
                    closed.Add(block.ZoneEnd);
                }
            }

            Forget();
            return closed;
        }
    }

    private static string? Joined(string? first, string? second) =>
        first is null || second is null ? first ?? second : $"{first}{Environment.NewLine}{second}";

    private CheckedCall NewCall(string? tag) =>
        CheckedCall.Now(Interlocked.Increment(ref _calls), tag, settings.CallStacks);

    /// <summary>Told once a memory, under no lock and before anything is taken.</summary>
    private void TellOfGuardShortage()
    {
        if (pool.TakeGuardShortage() is not 0 and long most)
        {
            string share = most == long.MaxValue
                ? "the system refuses one"
                : string.Create(
                    CultureInfo.InvariantCulture,
                    $"the engine takes {most} at most (a quarter of vm.max_map_count), or the system refuses one");
            settings.Tell(
                $"Full checks have no more guard pages, as arena '{arena}' finds: {share}. Blocks without one have red "
                + "zones only: a write past their end is told when they are freed.");
        }
    }

    private bool IsNextGuarded() =>
        settings.GuardOneIn != 0 && Interlocked.Increment(ref _allocations) % settings.GuardOneIn == 0;

    /// <summary>A block of the slabs, or 0. The quarantine is returned before a caller is refused.</summary>
    private nuint TakeRaw(nuint wanted, nuint alignment)
    {
        try
        {
            nuint raw = source.Take(wanted, alignment);
            if (raw != 0 || !EmptyQuarantine())
                return raw;
        }
        catch (EngineOutOfMemoryException)
        {
            if (!EmptyQuarantine())
                throw;
        }

        return source.Take(wanted, alignment);
    }

    /// <returns>Whether a block was returned to its run.</returns>
    private bool EmptyQuarantine()
    {
        string? damage = ReleaseDownTo(0, out bool any);
        if (damage is not null)
            Interlocked.Exchange(ref _untold, Joined(Interlocked.Exchange(ref _untold, null), damage));

        if (any)
            source.ReleaseUnused();

        return any;
    }

    private nuint Admit(nuint raw, nuint bytes, nuint alignment, nuint end, bool guard, string? tag)
    {
        nuint zoneEnd = raw + (guard ? end : nuint.Min(source.BytesOf(raw), end + 256));
        nuint address = raw;
        GuardKind kind = GuardKind.None;
        if (guard)
        {
            // The block ends as near to the page as its alignment allows, behind a red zone of 16 bytes or more.
            kind = pool.TryGuard((nint)zoneEnd);
            nuint last = (zoneEnd - ZoneBytes - bytes) & ~(nuint.Max(alignment, ZoneBytes) - 1);
            address = alignment <= pool.PageBytes ? last : raw;
        }

        Debug.Assert(address >= raw && address + bytes + ZoneBytes <= zoneEnd, "The zones are around the block.");
        CheckedBlock? block = null;
        try
        {
            block = NewBlock();
            block.Allocated = NewCall(tag);
            new NativeSpan(raw, address - raw).Fill(Zone);
            new NativeSpan(address, bytes).Fill(Fresh);
            new NativeSpan(address + bytes, zoneEnd - address - bytes).Fill(Zone);
            lock (_lock)
                _live.Add(address, block);
        }
        catch
        {
            // The runtime has no memory, or the thread was interrupted: the caller gets no block, so it goes back.
            string? ignored = null;
            _ = GiveBack(block ?? NewBlock(), ref ignored);
            throw;
        }

        return address;

        CheckedBlock NewBlock() => new(address, bytes, raw, zoneEnd) { Guard = kind };
    }

    private CheckedBlock Require(nuint address, string done)
    {
        if (_live.TryGetValue(address, out CheckedBlock? block))
            return block;

        CheckedCall now = CheckedCall.Now(_calls + 1, null, settings.CallStacks);
        if (_quarantine.Concat(_history).LastOrDefault(freed => freed.Address == address) is { } freed)
        {
            string sentence = done == "freed"
                ? $"was freed twice: first {freed.Freed}, and now {now}"
                : $"was freed {freed.Freed}, and is used {now}";
            throw new EngineMemoryException(
                $"In arena '{arena}', {freed} {sentence}. It was allocated {freed.Allocated}.");
        }

        string wrong = $"0x{address:x} was to be {done} {now}";
        if (_live.Values.FirstOrDefault(live => live.Contains(address)) is { } live)
        {
            throw new EngineMemoryException(
                $"{wrong} and lies {Distance(live, address)} from the beginning of {live} in arena '{arena}'; "
                + $"only the address that the allocation returned can be. It was allocated {live.Allocated}.");
        }

        throw new EngineMemoryException(
            $"{wrong}, and is no block of arena '{arena}': none that is live, and none of those freed lately.");
    }

    /// <summary>
    /// Returns the blocks that were freed first to their runs, until no more than the limit is held back, and tries
    /// the refused ones again.
    /// </summary>
    /// <returns>What was damaged, a sentence each, or null.</returns>
    private string? ReleaseDownTo(nuint heldBytes, out bool any)
    {
        string? damage = null;
        any = false;
        while (_refused.TryDequeue(out CheckedBlock? again) && GiveBack(again, ref damage))
            any = true;

        while (NextDue(heldBytes) is { } block)
        {
            damage = Joined(damage, DamagedAfterFree(block));
            any |= GiveBack(block, ref damage);
        }

        return damage;
    }

    /// <returns>The block that was freed first, now the caller's, or null where no more is held back.</returns>
    private CheckedBlock? NextDue(nuint heldBytes)
    {
        lock (_lock)
        {
            if (_quarantined <= heldBytes)
                return null;

            CheckedBlock block = _quarantine.Peek();
            _history.Enqueue(block); // before the block leaves the other table, because it may need memory
            _quarantine.Dequeue();
            _quarantined -= block.ZoneBytes;
            if (_history.Count > HistoryLength)
                _history.Dequeue();

            return block;
        }
    }

    /// <summary>Returns a block that is in no table to its run, or keeps it for a later try.</summary>
    /// <returns>Whether it was returned.</returns>
    private bool GiveBack(CheckedBlock block, ref string? damage)
    {
        try
        {
            if (TryOpenGuardPage(block))
            {
                source.Return(block.Raw);
                return true;
            }
        }
        catch (EngineOutOfMemoryException)
        {
            // The block is kept.
        }
        catch (EngineMemoryException wrong)
        {
            damage = Joined(damage, wrong.Message); // a run that contradicts itself: another try would not help
            return false;
        }

        _refused.Enqueue(block);
        return false;
    }

    private IEnumerable<CheckedBlock> All() => _live.Values.Concat(_quarantine).Concat(_refused);

    private void Forget()
    {
        _live.Clear();
        _quarantine.Clear();
        _history.Clear();
        _refused.Clear();
        _quarantined = 0;
    }

    private IEnumerable<string> Damages() => _live.Values.Select(DamagedZone)
        .Concat(_quarantine.Concat(_refused).Select(DamagedAfterFree)).OfType<string>();

    private string? DamagedZone(CheckedBlock block)
    {
        nuint end = block.Address + block.Bytes;
        nuint before = new NativeSpan(block.Raw, block.Address - block.Raw).FirstOtherThan(Zone);
        nuint wrong = before != 0 ? before : new NativeSpan(end, block.ZoneEnd - end).FirstOtherThan(Zone);
        if (wrong == 0)
            return null;

        string side = before != 0 ? "before its beginning" : "past its end";
        nuint distance = before != 0 ? block.Address - wrong : wrong - end + 1;
        string freed = block.Freed is null ? "" : $" and freed {block.Freed}";
        return $"In arena '{arena}', memory {Sizes.Text(distance)} {side} was written of {block}: "
            + $"0x{*(byte*)wrong:x2} stands at 0x{wrong:x}. The block was allocated {block.Allocated}{freed}.";
    }

    private string? DamagedAfterFree(CheckedBlock block)
    {
        nuint wrong = new NativeSpan(block.Raw, block.ZoneBytes).FirstOtherThan(Freed);
        return wrong == 0 ? null
            : $"In arena '{arena}', {block} was written after it was freed: 0x{*(byte*)wrong:x2} stands "
                + $"{Distance(block, wrong)} from its beginning. "
                + $"It was allocated {block.Allocated} and freed {block.Freed}.";
    }

    /// <summary>Negative before the block, whatever sign the current culture has.</summary>
    private static string Distance(CheckedBlock block, nuint address) =>
        Sizes.Count((long)(address - block.Address), "byte", "bytes");

    private void OpenGuardPage(CheckedBlock block)
    {
        if (block.Guard != GuardKind.None)
            pool.Unguard((nint)block.ZoneEnd, block.Guard);

        block.Guard = GuardKind.None;
    }

    private bool TryOpenGuardPage(CheckedBlock block)
    {
        try
        {
            OpenGuardPage(block);
        }
        catch (Exception refused) when (refused is EngineOutOfMemoryException or EngineMemoryException)
        {
            // The page stays closed.
        }

        return block.Guard == GuardKind.None;
    }
}
