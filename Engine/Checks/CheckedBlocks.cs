using System.Collections.Concurrent;

namespace SuperSlab;

/// <summary>
/// One arena's blocks in checked mode: each is made a little larger and filled, surrounded by red zones, remembered, and after its free
/// held back in a quarantine whose bytes nobody may write. The arena's threads hold no blocks back, so every call comes here. Any thread.
/// <para>
/// The lock is of the tables only: blocks are taken from the slabs and returned to them, and guard pages closed and opened, outside it, since the
/// system may take its time. A block is meanwhile its thread's own. One whose guard page the system does not open stays here, and each later
/// free tries again: nothing is returned with a page that cannot be accessed.
/// </para>
/// </summary>
internal sealed unsafe class CheckedBlocks(string arena, CheckSettings settings, ArenaSlabs slabs, SuperSlabPool pool)
{
    /// <summary>What a block holds before it is written, after it was freed, and around it.</summary>
    public const byte Fresh = 0xCD;
    public const byte Freed = 0xDD;
    public const byte Zone = 0xFD;

    private const nuint ZoneBytes = 16;
    private const int HistoryLength = 4096;

    private static readonly CheckedCall s_nobody = new(0, string.Empty, null, null);

    private readonly Dictionary<nuint, CheckedBlock> _live = [];
    private readonly Queue<CheckedBlock> _quarantine = [];
    private readonly Queue<CheckedBlock> _history = [];

    /// <summary>Blocks that left the quarantine and could not be returned. It has no lock to wait for, so a block is not lost on the way here.</summary>
    private readonly ConcurrentQueue<CheckedBlock> _refused = [];
    private readonly Lock _lock = new();
    private nuint _quarantined;
    private long _calls;
    private long _allocations;

    /// <summary>Damage that was found where it could not be told.</summary>
    private string? _untold;

    /// <returns>The block, or null where the reservation is full.</returns>
    /// <exception cref="EngineOutOfMemoryException">The system gave no memory.</exception>
    public void* Allocate(nuint bytes, nuint alignment, string? tag)
    {
        nuint page = pool.PageBytes;
        bool guard = page < SlabGeometry.SlabBytes
            && (bytes >= settings.GuardFromBytes || (settings.GuardOneIn != 0 && Interlocked.Increment(ref _allocations) % settings.GuardOneIn == 0));
        nuint end = guard ? Sizes.AlignUp(bytes + ZoneBytes, page) : bytes + ZoneBytes;
        nuint wanted = guard ? end + page : end;
        int sizeClass = SizeClasses.IndexOf(wanted, guard ? nuint.Max(alignment, page) : alignment);
        nuint raw = TakeRaw(sizeClass, wanted);
        return raw == 0 ? null : (void*)Admit(raw, bytes, alignment, sizeClass, end, guard, tag);
    }

    /// <summary>
    /// Frees a block of this arena's slabs, after looking whether it was written where it may not be. It never fails for want of memory.
    /// </summary>
    /// <exception cref="EngineMemoryException">
    /// The address is no live block: nothing has changed. Or the block, or some that were freed before, were damaged: this one is freed.
    /// </exception>
    public void Free(void* address, string? tag)
    {
        string? damage;
        lock (_lock)
        {
            CheckedBlock block = Require((nuint)address, "freed");
            CheckedCall freed = CheckedCall.Now(Interlocked.Increment(ref _calls), tag, settings.CallStacks);
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

    /// <summary>What was asked for when a live block was allocated, in bytes.</summary>
    /// <exception cref="EngineMemoryException">The address is no live block.</exception>
    public nuint BytesOf(void* address, string done = "used")
    {
        lock (_lock)
            return Require((nuint)address, done).Bytes;
    }

    /// <summary>Looks at every red zone and at all freed memory that is held back.</summary>
    /// <exception cref="EngineMemoryException">Something was written where it may not be.</exception>
    public void Verify()
    {
        lock (_lock)
            EngineMemoryException.ThrowIf(Damages().FirstOrDefault());
    }

    /// <summary>All that was written where it may not be, a sentence each.</summary>
    public IReadOnlyList<string> FindDamage()
    {
        lock (_lock)
            return [.. Damages()];
    }

    /// <summary>The live blocks by the size that was asked for, in bytes.</summary>
    public IReadOnlyList<(nuint Bytes, long Count)> Live()
    {
        lock (_lock)
            return [.. _live.Values.GroupBy(block => block.Bytes).Select(group => (group.Key, group.LongCount())).OrderBy(size => size.Key)];
    }

    /// <summary>The live blocks, each with the size that was asked for, in bytes.</summary>
    public IReadOnlyList<(nuint Address, nuint Bytes)> Blocks()
    {
        lock (_lock)
            return [.. _live.Values.Select(block => (block.Address, block.Bytes))];
    }

    /// <summary>Opens all guard pages and forgets all blocks, live or not; the slabs are the caller's to throw away. No other thread uses the arena.</summary>
    /// <returns>What was damaged, as a sentence, or null.</returns>
    /// <exception cref="EngineOutOfMemoryException">The system did not open a guard page. No block is forgotten.</exception>
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
    /// The same when the arena's SuperSlabs go to the pool: it never fails. A SuperSlab with a page that the system does not open is prefaulted anew
    /// before it is used again.
    /// </summary>
    public void Abandon()
    {
        lock (_lock)
        {
            foreach (CheckedBlock block in All())
            {
                if (!TryOpenGuardPage(block))
                    pool.Distrust((nint)block.ZoneEnd);
            }

            Forget();
        }
    }

    private static string? Joined(string? first, string? second) =>
        first is null ? second : second is null ? first : $"{first}{Environment.NewLine}{second}";

    /// <summary>A block of the slabs, or 0. What is held back is not missing: it is returned before anyone is told that there is no memory.</summary>
    private nuint TakeRaw(int sizeClass, nuint wanted)
    {
        try
        {
            nuint raw = TryTakeRaw(sizeClass, wanted);
            if (raw != 0 || !EmptyQuarantine())
                return raw;
        }
        catch (EngineOutOfMemoryException)
        {
            if (!EmptyQuarantine())
                throw;
        }

        return TryTakeRaw(sizeClass, wanted);
    }

    private nuint TryTakeRaw(int sizeClass, nuint wanted)
    {
        if (sizeClass == SizeClasses.Huge)
            return slabs.AllocateHuge(wanted);

        nuint raw;
        return slabs.Fill(sizeClass, &raw, 1) == 0 ? 0 : raw;
    }

    /// <returns>Whether a block was returned to its run.</returns>
    private bool EmptyQuarantine()
    {
        string? damage = ReleaseDownTo(0, out bool any);
        if (damage is not null)
        {
            // The caller allocates: the next free tells.
            Interlocked.Exchange(ref _untold, Joined(Interlocked.Exchange(ref _untold, null), damage));
        }

        if (any)
            slabs.ReleaseEmptyRuns();

        return any;
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

        CheckedBlock? block = null;
        try
        {
            block = new()
            {
                Address = address,
                Bytes = bytes,
                Raw = raw,
                ZoneEnd = zoneEnd,
                SizeClass = sizeClass,
                HasGuardPage = guard,
                Allocated = CheckedCall.Now(Interlocked.Increment(ref _calls), tag, settings.CallStacks),
            };
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
            _ = GiveBack(block ?? new() { Address = address, Bytes = bytes, Raw = raw, ZoneEnd = zoneEnd, SizeClass = sizeClass, HasGuardPage = guard, Allocated = s_nobody }, ref ignored);
            throw;
        }

        return address;
    }

    private CheckedBlock Require(nuint address, string done)
    {
        if (_live.TryGetValue(address, out CheckedBlock? block))
            return block;

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

    /// <summary>Returns the blocks that were freed the longest ago to their runs, until so many bytes are held back, and tries again those that were refused.</summary>
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

    /// <returns>The block that was freed the longest ago, which is the caller's now, or null where no more than that is held back.</returns>
    private CheckedBlock? NextDue(nuint heldBytes)
    {
        lock (_lock)
        {
            if (_quarantined <= heldBytes)
                return null;

            CheckedBlock block = _quarantine.Peek();
            _history.Enqueue(block);
            _quarantine.Dequeue();
            _quarantined -= block.ZoneBytes;
            if (_history.Count > HistoryLength)
                _history.Dequeue();

            return block;
        }
    }

    /// <summary>Returns a block that no table has to its run, or keeps it for a later try.</summary>
    /// <returns>Whether it was returned.</returns>
    private bool GiveBack(CheckedBlock block, ref string? damage)
    {
        try
        {
            if (TryOpenGuardPage(block))
            {
                nuint raw = block.Raw;
                slabs.Return(block.SizeClass, &raw, 1);
                return true;
            }
        }
        catch (EngineOutOfMemoryException)
        {
            // Kept, as below.
        }
        catch (EngineMemoryException wrong)
        {
            damage = Joined(damage, wrong.Message); // a run that contradicts itself: trying again would not help
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

    private IEnumerable<string> Damages() =>
        _live.Values.Select(DamagedZone).Concat(_quarantine.Concat(_refused).Select(DamagedAfterFree)).OfType<string>();

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
        nuint wrong = new NativeSpan(block.Raw, block.ZoneBytes).FirstOtherThan(Freed);
        return wrong == 0 ? null
            : $"In arena '{arena}', {block} was written after it was freed: 0x{*(byte*)wrong:x2} stands {(long)(wrong - block.Address)} bytes from its beginning. "
            + $"It was allocated {block.Allocated} and freed {block.Freed}.";
    }

    /// <exception cref="EngineOutOfMemoryException">The system refused.</exception>
    private void OpenGuardPage(CheckedBlock block)
    {
        if (block.HasGuardPage)
        {
            pool.Unguard((nint)block.ZoneEnd);
            block.HasGuardPage = false;
        }
    }

    private bool TryOpenGuardPage(CheckedBlock block)
    {
        try
        {
            OpenGuardPage(block);
            return true;
        }
        catch (Exception refused) when (refused is EngineOutOfMemoryException or EngineMemoryException)
        {
            return false;
        }
    }
}

/// <summary>
/// One block's history. The block that the arena's slabs gave is larger than what the caller got:
/// <code>
///   Raw                Address             Address + Bytes         ZoneEnd
///   | red zone, or none | the caller's bytes | red zone, 16 or more | guard page, or none |
/// </code>
/// </summary>
internal sealed class CheckedBlock
{
    public required nuint Address { get; init; }

    public required nuint Bytes { get; init; }

    public required nuint Raw { get; init; }

    public required nuint ZoneEnd { get; init; }

    public required int SizeClass { get; init; }

    /// <summary>Whether the page at ZoneEnd is closed. Whoever took the block out of its tables writes this.</summary>
    public bool HasGuardPage { get; set; }

    public required CheckedCall Allocated { get; init; }

    /// <summary>Null while the block is live.</summary>
    public CheckedCall? Freed { get; set; }

    public nuint ZoneBytes => ZoneEnd - Raw;

    public bool Contains(nuint address) => address - Raw < ZoneEnd - Raw;

    public override string ToString() => $"the block of {Sizes.Text(Bytes)} at 0x{Address:x}";
}

/// <summary>Who did something with a block, and when.</summary>
/// <param name="Number">The arena's calls are numbered in their order.</param>
/// <param name="Thread">The thread's name, or its number.</param>
/// <param name="Tag">The allocation tag in force, or null.</param>
/// <param name="CallStack">Null where call stacks are not recorded.</param>
internal sealed record CheckedCall(long Number, string Thread, string? Tag, string? CallStack)
{
    public static CheckedCall Now(long number, string? tag, bool withCallStack)
    {
        Thread thread = System.Threading.Thread.CurrentThread;
        string name = string.IsNullOrEmpty(thread.Name) ? $"thread {thread.ManagedThreadId}" : $"thread '{thread.Name}'";
        return new CheckedCall(number, name, tag, withCallStack ? Environment.StackTrace : null);
    }

    public override string ToString() =>
        $"by {Thread} in call {Number}{(Tag is null ? "" : $", tag '{Tag}'")}{(CallStack is null ? "" : $"{Environment.NewLine}{CallStack}{Environment.NewLine}")}";
}

/// <summary>What <see cref="MemoryChecks.Full"/> does in detail.</summary>
public sealed record CheckSettings
{
    /// <summary>Whether each block remembers the call stacks of its allocation and its free: tens of microseconds for each call.</summary>
    public bool CallStacks { get; init; }

    /// <summary>
    /// Blocks of this size and above end at a page that cannot be accessed, in bytes: what runs past their end stops the program at that
    /// instruction. Default 64 KiB.
    /// </summary>
    public nuint GuardFromBytes { get; init; } = 64 * Sizes.KiB;

    /// <summary>One in so many smaller blocks ends at such a page too. Default 64; 0 for none.</summary>
    public int GuardOneIn { get; init; } = 64;

    /// <summary>
    /// How much freed memory of an arena is held back and watched for late writes, in bytes. Default 16 MiB. An arena that finds no memory for a
    /// block takes back all of it before it says so.
    /// </summary>
    public nuint QuarantineBytes { get; init; } = 16 * Sizes.MiB;

    /// <summary>
    /// Told, at an arena's dispose, what was still live and what was damaged: a sentence each. Null, the default, writes to standard error.
    /// <para>
    /// It is called by the disposing thread, under no lock, while the arena can still be used: it may allocate and free there, use and dispose
    /// other arenas, and throw. What it throws does not stop the dispose, nor the sentences to come: when the arena is gone, Dispose throws
    /// an <see cref="EngineMemoryException"/> with the first of its exceptions inside. The arena that is being disposed is not disposed again by it.
    /// </para>
    /// </summary>
    public Action<string>? Report { get; init; }

    /// <exception cref="ArgumentOutOfRangeException">A number is negative.</exception>
    internal void Validate() => ArgumentOutOfRangeException.ThrowIfNegative(GuardOneIn);

    internal void Tell(string sentence)
    {
        if (Report is null)
            Console.Error.WriteLine(sentence);
        else
            Report(sentence);
    }
}

/// <summary>A range of memory of any length, to fill and to compare: a span has room for 2 GiB only.</summary>
internal readonly unsafe ref struct NativeSpan(nuint start, nuint bytes)
{
    private const nuint Step = 1 << 30;
    private readonly nuint _start = start;
    private readonly nuint _bytes = bytes;

    public void Fill(byte value)
    {
        for (nuint done = 0; done < _bytes; done += Step)
            Part(done).Fill(value);
    }

    /// <summary>The first address that holds another value, or 0.</summary>
    public nuint FirstOtherThan(byte value)
    {
        for (nuint done = 0; done < _bytes; done += Step)
        {
            int index = Part(done).IndexOfAnyExcept(value);
            if (index >= 0)
                return _start + done + (nuint)index;
        }

        return 0;
    }

    private Span<byte> Part(nuint done) => new((void*)(_start + done), (int)nuint.Min(Step, _bytes - done));
}
