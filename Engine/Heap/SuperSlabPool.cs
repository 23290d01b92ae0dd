using System.Numerics;
using System.Runtime.InteropServices;

namespace SuperSlab;

/// <summary>
/// Hands out SuperSlabs and unbroken runs of them, lowest address first, and takes them back. Two bits a SuperSlab say whose it is:
///
///   free  ready
///    1     0     reserved: no memory behind it
///    1     1     in the retained reserve: prefaulted, waiting; handed out without an OS call
///    0     1     owned by an arena
///    0     0     being prefaulted or given back, by the thread that took it
///
/// A third bit, refused, marks free SuperSlabs that the system did not take back: the next trim offers them again.
///
/// OS calls are made only to prefault what is not ready, and in <see cref="Trim(nuint)"/>; never when something is given back, and never
/// under the lock, so that a level that loads does not stop another's hot loop. Any thread.
/// </summary>
internal sealed unsafe class SuperSlabPool
{
    /// <summary>The bitmaps that the pool keeps, a bit for each SuperSlab, in <see cref="Reservation.Bitmaps"/>.</summary>
    public const int Bitmaps = 3;

    private readonly VirtualMemory _os;
    private readonly Prefaulter _prefaulter;
    private readonly Reservation _reservation;
    private readonly ulong* _free;
    private readonly ulong* _ready;
    private readonly ulong* _refused;
    private readonly int* _lock;
    private readonly nuint _retainBytes;
    private nuint _raisedRetainBytes;
    private readonly Lock _tables = new();
    private int _end;

    /// <summary>No free SuperSlab lies below: where searches begin.</summary>
    private int _lowestFree;

    /// <param name="os">Gives memory back.</param>
    /// <param name="prefaulter">Makes SuperSlabs resident.</param>
    /// <param name="reservation">Where the SuperSlabs lie.</param>
    /// <param name="retainBytes">How much of the retained reserve <see cref="Trim()"/> leaves.</param>
    public SuperSlabPool(VirtualMemory os, Prefaulter prefaulter, Reservation reservation, nuint retainBytes)
    {
        _retainBytes = retainBytes;
        _os = os;
        _prefaulter = prefaulter;
        _reservation = reservation;
        _free = (ulong*)reservation.Bitmaps.Address;
        _ready = _free + reservation.BitmapWords;
        _refused = _ready + reservation.BitmapWords;
        _lock = (int*)(_refused + reservation.BitmapWords);
        Bitmap.Set(_free, 0, reservation.SuperSlabCount);
        os.DecommitRefused = NoteRefused;
    }

    /// <summary>Told, before the OS call, who needs SuperSlabs that are not ready, and how many; null, the default, tells nobody. No lock is held.</summary>
    public Action<Demand, int>? Observer { get; set; }

    /// <summary>Called when the reservation has no room for a request: arenas then give back what they do not use. No lock is held.</summary>
    public Action? Shortage { get; set; }

    /// <summary>SuperSlabs that an arena owns.</summary>
    public int OwnedCount { get; private set; }

    public nuint PageBytes => _os.Facts.PageBytes;

    /// <summary>SuperSlabs in the retained reserve.</summary>
    public int ReadyCount => Count(_free, _ready);

    public int FreeCount => Count(_free, _free);

    /// <summary>Makes one page of an owned SuperSlab inaccessible, for checks. False where the system does not do that to this kind of pages.</summary>
    public bool TryGuard(nint page)
    {
        try
        {
            _os.Decommit(page, PageBytes);
            return true;
        }
        catch (EngineMemoryException)
        {
            return false;
        }
    }

    /// <summary>Makes such a page usable again; the next write to it faults.</summary>
    /// <exception cref="EngineOutOfMemoryException">The system refused.</exception>
    public void Unguard(nint page) => _os.Commit(page, PageBytes);

    /// <summary>Sees to it that the owned SuperSlab of a page that stays inaccessible is prefaulted anew when it has been given back and is taken again.</summary>
    public void Distrust(nint page)
    {
        Enter();
        Bitmap.Clear(_ready, (int)((page - _reservation.Base) >> SlabGeometry.SuperSlabShift), 1);
        Exit();
    }

    /// <summary>SuperSlabs from here on have never been used.</summary>
    public int End => Volatile.Read(ref _end);

    /// <summary>Whether a SuperSlab can be taken, and whether it is prefaulted. Some moments old.</summary>
    public (bool IsFree, bool IsReady) StateOf(int superSlab) => (Bitmap.IsSet(_free, superSlab), Bitmap.IsSet(_ready, superSlab));

    /// <summary>The tag of who owns a SuperSlab; 0 where nobody does.</summary>
    public uint OwnerTagOf(int superSlab) => superSlab < Volatile.Read(ref _end) ? _reservation.SuperSlabs[superSlab].OwnerTag : 0;

    /// <summary>
    /// Takes <paramref name="count"/> neighbouring SuperSlabs for an owner. Ready ones are preferred; what is not ready is prefaulted here.
    /// The caller holds no lock: the system is called, and arenas may be asked for what they do not use.
    /// </summary>
    /// <returns>The first SuperSlab, or -1 where the reservation has no such run.</returns>
    /// <exception cref="EngineOutOfMemoryException">The system gave no memory. Nothing has changed.</exception>
    public int Take(int count, Demand demand, PrefaultTask? task = null)
    {
        int start = ClaimRun(count);
        if (start < 0 && Shortage is { } shortage)
        {
            shortage();
            start = ClaimRun(count);
        }

        if (start >= 0)
        {
            MakeReady([(start, count)], demand, task);
            Own(start, count, demand.OwnerTag);
        }

        return start;
    }

    /// <summary>
    /// Takes many runs of neighbouring SuperSlabs for one owner at once, all or none: what a prewarm hands to its arena. Ready SuperSlabs
    /// are used as far as they go; the others are prefaulted together, by as many threads as the task says.
    /// </summary>
    /// <param name="lengths">The length of each run, the longest first.</param>
    /// <param name="demand">Who asks.</param>
    /// <param name="task">How what is not ready is prefaulted.</param>
    /// <returns>The first SuperSlab of each run.</returns>
    /// <exception cref="EngineOutOfMemoryException">The reservation or the system has no more. What was made ready stays in the reserve.</exception>
    /// <exception cref="OperationCanceledException">The task was cancelled. What was made ready stays in the reserve.</exception>
    public int[] Claim(ReadOnlySpan<int> lengths, Demand demand, PrefaultTask? task)
    {
        int[] starts = new int[lengths.Length];
        int claimed = ClaimRuns(lengths, starts);
        if (claimed < lengths.Length && Shortage is { } shortage)
        {
            Unclaim(lengths, starts, claimed);
            shortage();
            claimed = ClaimRuns(lengths, starts);
        }

        if (claimed < lengths.Length)
        {
            Unclaim(lengths, starts, claimed);
            throw new EngineOutOfMemoryException(
                $"{Sum(lengths)} SuperSlabs of 2 MiB were to be prefaulted, and the reservation of {Sizes.Text(_reservation.BlockBytes)} has room for {Sum(lengths[..claimed])} of them; "
                + "a larger EngineMemoryOptions.ReservationBytes gives more.");
        }

        MakeReady(Ranges(lengths, starts), demand, task);
        for (int index = 0; index < starts.Length; index++)
            Own(starts[index], lengths[index], demand.OwnerTag);

        return starts;
    }

    /// <summary>Takes the SuperSlabs [start, start + count) if all are free. Used to let an extent grow where it is.</summary>
    public bool TryTakeAt(int start, int count, Demand demand)
    {
        if (start + count > _reservation.SuperSlabCount)
            return false;

        Enter();
        bool isFree = Bitmap.RunLength(_free, start, count, value: true) == count;
        if (isFree)
            MarkClaimed(start, count);

        Exit();
        if (isFree)
        {
            MakeReady([(start, count)], demand, task: null);
            Own(start, count, demand.OwnerTag);
        }

        return isFree;
    }

    /// <summary>
    /// Takes <paramref name="count"/> SuperSlabs and moves the pages of the caller's <paramref name="fromCount"/> there, which stay the
    /// caller's but have nothing behind them any more: the caller moves what describes them, then gives them back. Only where prefaulting
    /// would be needed anyway: memory in the reserve is taken without an OS call instead, and copied to.
    /// </summary>
    /// <returns>The first SuperSlab, or -1 where there is no room, the reserve has room, or the system cannot move pages.</returns>
    /// <exception cref="EngineOutOfMemoryException">The system gave no memory for what is longer. Nothing has changed.</exception>
    /// <exception cref="EngineMemoryException">The system failed half-way through the move.</exception>
    public int TakeWithPagesOf(int from, int fromCount, int count, Demand demand)
    {
        Enter();
        int start = FindRun(_ready, _end, count) >= 0 ? -1 : FindRun(_free, _reservation.SuperSlabCount, count);
        bool isCold = start >= 0 && Bitmap.RunLength(_ready, start, fromCount, value: false) == fromCount;
        if (isCold)
            MarkClaimed(start, count);

        Exit();
        if (!isCold)
            return -1;

        bool isMoved = false;
        try
        {
            Prefault([(start + fromCount, count - fromCount)], demand, task: null);
            EnsureTables(start + count);

            // The last step cannot be half done. The old addresses stay accessible and empty until they are prefaulted anew.
            isMoved = _os.TryMovePages(_reservation.AddressOf(from), _reservation.AddressOf(start), (nuint)fromCount << SlabGeometry.SuperSlabShift);
        }
        finally
        {
            if (!isMoved)
                Unclaim(start, count);
        }

        if (!isMoved)
            return -1;

        for (int index = 0; index < fromCount; index++)
            _reservation.SuperSlabs[start + index].Pages = _reservation.SuperSlabs[from + index].Pages;

        Enter();
        Bitmap.Set(_ready, start, fromCount);
        Bitmap.Clear(_ready, from, fromCount);
        Exit();
        Own(start, count, demand.OwnerTag);
        return start;
    }

    /// <summary>Puts SuperSlabs in the retained reserve, or back to where they came from if their pages were moved away. Makes no OS call.</summary>
    public void Give(int start, int count)
    {
        for (int index = start; index < start + count; index++)
            _reservation.SuperSlabs[index] = new SuperSlabDescriptor { Pages = _reservation.SuperSlabs[index].Pages };

        Unclaim(start, count);
    }

    /// <summary>Raises what <see cref="Trim()"/> leaves in the retained reserve, until <see cref="EndRaise"/>.</summary>
    public void RaiseRetained(nuint bytes)
    {
        Enter();
        _raisedRetainBytes = nuint.Max(_raisedRetainBytes, bytes);
        Exit();
    }

    /// <summary>The limit of the retained reserve is again what it was from the beginning.</summary>
    public void EndRaise()
    {
        Enter();
        _raisedRetainBytes = 0;
        Exit();
    }

    /// <summary>Gives back to the system what the retained reserve has above its limit.</summary>
    public nuint Trim() => Trim(nuint.Max(_retainBytes, _raisedRetainBytes));

    /// <summary>The same where something else went wrong, which says more than that the system refused to take memory back.</summary>
    public void TryTrim()
    {
        try
        {
            Trim();
        }
        catch (EngineMemoryException)
        {
            // It stays free, and the next trim offers it again.
        }
    }

    /// <summary>
    /// Gives the retained reserve back to the system, down to <paramref name="retainBytes"/>, the highest addresses first, and with it what
    /// the system refused to take back earlier.
    /// </summary>
    /// <returns>The bytes given back.</returns>
    /// <exception cref="EngineMemoryException">The system refused; what it refused stays free, and the next trim offers it again.</exception>
    public nuint Trim(nuint retainBytes)
    {
        int retain = (int)nuint.Min(retainBytes >> SlabGeometry.SuperSlabShift, int.MaxValue);
        nuint given = 0;
        while (true)
        {
            Enter();
            int excess = ReadyCount - retain;
            int count = TakeHighest(_refused, int.MaxValue, out int start);
            if (count != 0)
                Bitmap.Clear(_ready, start, count);
            else if (excess > 0)
                count = TakeHighest(_ready, excess, out start);

            Exit();
            if (count == 0)
                return given;

            try
            {
                _os.Decommit(_reservation.AddressOf(start), (nuint)count << SlabGeometry.SuperSlabShift);
            }
            finally
            {
                // What the system refused may be inaccessible in part: it is not ready, and is prefaulted anew when it is taken.
                Enter();
                SetFree(start, count);
                Exit();
            }

            given += (nuint)count << SlabGeometry.SuperSlabShift;
        }
    }

    /// <param name="isOwner">Whether somebody who can own SuperSlabs has this tag.</param>
    /// <exception cref="EngineMemoryException">The bitmaps, the descriptors, the tags and the owners contradict each other.</exception>
    public void Validate(Func<uint, bool>? isOwner = null)
    {
        int owned = 0;
        for (int index = 0; index < _end; index++)
        {
            bool free = Bitmap.IsSet(_free, index);
            bool hasOwner = _reservation.SuperSlabs[index].OwnerTag != 0;
            if (free == hasOwner && !(IsLost(index, 1) && !free))
                throw new EngineMemoryException($"SuperSlab {index} is {(free ? "free but has an owner" : "taken but has no owner")}.");

            if (free && index < _lowestFree)
                throw new EngineMemoryException($"SuperSlab {index} is free, and searches begin at {_lowestFree}.");

            if (hasOwner && isOwner?.Invoke(_reservation.SuperSlabs[index].OwnerTag) == false)
                throw new EngineMemoryException($"SuperSlab {index} belongs to the tag {_reservation.SuperSlabs[index].OwnerTag:x}, which no living arena has.");

            ReadOnlySpan<uint> tags = new(_reservation.Tags + (index * SlabGeometry.SlabCount), SlabGeometry.SlabCount);
            uint owner = _reservation.SuperSlabs[index].OwnerTag;
            foreach (uint tag in tags)
            {
                if (tag != 0 && (tag & ~(uint)byte.MaxValue) != owner)
                {
                    throw new EngineMemoryException(
                        $"SuperSlab {index} belongs to {(owner == 0 ? "nobody" : $"the tag {owner:x}")}, and a slab of it is described as one of the tag {tag & ~(uint)byte.MaxValue:x}.");
                }
            }

            owned += hasOwner ? 1 : 0;
        }

        if (owned != OwnedCount)
            throw new EngineMemoryException($"{OwnedCount} SuperSlabs are counted as owned, {owned} are.");
    }

    private void Enter() => NativeLock.Enter(_lock);

    private void Exit() => NativeLock.Exit(_lock);

    private static int Sum(ReadOnlySpan<int> lengths)
    {
        int sum = 0;
        foreach (int length in lengths)
            sum += length;

        return sum;
    }

    /// <summary>The runs as few ranges, by address.</summary>
    private static ReadOnlySpan<(int Start, int Count)> Ranges(ReadOnlySpan<int> lengths, ReadOnlySpan<int> starts)
    {
        List<(int Start, int Count)> ranges = new(starts.Length);
        for (int index = 0; index < starts.Length; index++)
            ranges.Add((starts[index], lengths[index]));

        ranges.Sort(static (left, right) => left.Start.CompareTo(right.Start));
        int last = 0;
        for (int index = 1; index < ranges.Count; index++)
        {
            (int start, int count) = ranges[last];
            if (start + count == ranges[index].Start)
                ranges[last] = (start, count + ranges[index].Count);
            else
                ranges[++last] = ranges[index];
        }

        return CollectionsMarshal.AsSpan(ranges)[..Math.Min(last + 1, ranges.Count)];
    }

    private int FindRun(ulong* other, int end, int count) => Bitmap.FindRun(_free, other, Math.Min(_lowestFree, end), end, count);

    /// <summary>Claims a run: a ready one, else the first.</summary>
    private int ClaimRun(int count)
    {
        Enter();
        int start = FindRun(_ready, _end, count);
        if (start < 0)
            start = FindRun(_free, _reservation.SuperSlabCount, count);

        if (start >= 0)
            MarkClaimed(start, count);

        Exit();
        return start;
    }

    /// <summary>Claims runs in their order until one finds no room.</summary>
    /// <returns>How many were claimed.</returns>
    private int ClaimRuns(ReadOnlySpan<int> lengths, Span<int> starts)
    {
        int claimed = 0;
        Enter();
        for (; claimed < lengths.Length && lengths[claimed] > 1; claimed++)
        {
            int start = FindReadiest(lengths[claimed]);
            if (start < 0)
            {
                Exit();
                return claimed;
            }

            MarkClaimed(start, lengths[claimed]);
            starts[claimed] = start;
        }

        claimed = ClaimSingles(_ready, _end, starts, claimed);
        claimed = ClaimSingles(_free, _reservation.SuperSlabCount, starts, claimed);
        Exit();
        return claimed;
    }

    /// <summary>Claims single SuperSlabs that are free in both bitmaps, the lowest first, until all have one. Under the lock.</summary>
    private int ClaimSingles(ulong* other, int end, Span<int> starts, int claimed)
    {
        for (int word = _lowestFree >> 6; word < (end + 63) >> 6 && claimed < starts.Length; word++)
        {
            for (ulong bits = _free[word] & other[word]; bits != 0 && claimed < starts.Length; bits &= bits - 1)
            {
                int index = (word << 6) + BitOperations.TrailingZeroCount(bits);
                MarkClaimed(index, 1);
                starts[claimed++] = index;
            }
        }

        return claimed;
    }

    /// <summary>The free run of a length in which the most SuperSlabs are ready, or -1. Under the lock.</summary>
    private int FindReadiest(int count)
    {
        int best = FindRun(_ready, _end, count);
        if (best >= 0)
            return best;

        best = FindRun(_free, _reservation.SuperSlabCount, count);
        int most = best < 0 ? 0 : ReadyIn(best, count);
        int end = ReadyCount == 0 ? 0 : _end;
        for (int start = best + 1; best >= 0 && start < end; start++)
        {
            start = Bitmap.FindRun(_free, _free, start, _reservation.SuperSlabCount, count);
            if (start < 0)
                break;

            int ready = ReadyIn(start, count);
            if (ready > most)
                (best, most) = (start, ready);
        }

        return best;
    }

    private int ReadyIn(int start, int count)
    {
        int ready = 0;
        for (int index = start; index < Math.Min(start + count, _end); index++)
            ready += Bitmap.IsSet(_ready, index) ? 1 : 0;

        return ready;
    }

    private void MarkClaimed(int start, int count)
    {
        Bitmap.Clear(_free, start, count);
        _lowestFree = start == _lowestFree ? start + count : _lowestFree;
        OwnedCount += count;
    }

    /// <summary>The system did not take back what was committed there: the next trim offers it again. Told by whoever has the range, before it lets go.</summary>
    private void NoteRefused(nint address, nuint bytes)
    {
        if (_reservation.Contains(address) && bytes >= SlabGeometry.SuperSlabBytes)
        {
            int start = (int)((nuint)(address - _reservation.Base) >> SlabGeometry.SuperSlabShift);
            int end = (int)(Sizes.DivideRoundingUp((nuint)(address - _reservation.Base) + bytes, SlabGeometry.SuperSlabBytes));
            Enter();
            Bitmap.Set(_refused, start, end - start);
            Exit();
        }
    }

    /// <summary>SuperSlabs can be taken again, but for those whose addresses somebody else has by now. Under the lock.</summary>
    private void SetFree(int start, int count)
    {
        _lowestFree = Math.Min(_lowestFree, start);
        if (!IsLost(start, count))
        {
            Bitmap.Set(_free, start, count);
            return;
        }

        for (int index = start; index < start + count; index++)
        {
            if (!IsLost(index, 1))
                Bitmap.Set(_free, index, 1);
        }
    }

    private bool IsLost(int start, int count) => _os.IsLost(_reservation.AddressOf(start), (nuint)count << SlabGeometry.SuperSlabShift);

    private void Unclaim(int start, int count)
    {
        Enter();
        SetFree(start, count);
        OwnedCount -= count;
        Exit();
    }

    private void Unclaim(ReadOnlySpan<int> lengths, ReadOnlySpan<int> starts, int claimed)
    {
        for (int index = 0; index < claimed; index++)
            Unclaim(starts[index], lengths[index]);
    }

    private void Own(int start, int count, uint ownerTag)
    {
        for (int index = start; index < start + count; index++)
        {
            _reservation.SuperSlabs[index] = new SuperSlabDescriptor
            {
                OwnerTag = ownerTag,
                RunLength = index == start ? count : 0,
                Pages = _reservation.SuperSlabs[index].Pages,
            };
        }
    }

    private void EnsureTables(int end)
    {
        lock (_tables)
            _reservation.EnsureTables(end);

        Enter();
        _end = Math.Max(_end, end);
        Exit();
    }

    /// <summary>Makes claimed ranges ready; all go back when that fails.</summary>
    private void MakeReady(ReadOnlySpan<(int Start, int Count)> ranges, Demand demand, PrefaultTask? task)
    {
        try
        {
            Prefault(ranges, demand, task);
        }
        catch
        {
            foreach ((int start, int count) in ranges)
                Unclaim(start, count);

            throw;
        }
    }

    /// <summary>Prefaults those SuperSlabs of claimed ranges that are not ready, a run of them at a time.</summary>
    private void Prefault(ReadOnlySpan<(int Start, int Count)> ranges, Demand demand, PrefaultTask? task)
    {
        long total = 0;
        foreach ((int start, int count) in ranges)
        {
            EnsureTables(start + count);
            total += count;
        }

        long done = 0;
        foreach ((int start, int count) in ranges)
        {
            for (int index = start; index < start + count;)
            {
                bool ready = Bitmap.IsSet(_ready, index);
                int run = Bitmap.RunLength(_ready, index, start + count - index, ready);
                if (!ready)
                    Prefault(index, run, demand, task?.Part((double)done / total, (double)run / total));

                index += run;
                done += run;
            }
        }
    }

    private void Prefault(int start, int count, Demand demand, PrefaultTask? task)
    {
        Observer?.Invoke(demand, count);
        nint address = _reservation.AddressOf(start);
        nuint bytes = (nuint)count << SlabGeometry.SuperSlabShift;
        PrefaultReport report = task is null
            ? _prefaulter.Provide(address, bytes, 1, null, CancellationToken.None)
            : (task.Prefaulter ?? _prefaulter).Provide(address, bytes, task.Threads, task.Progress, task.Cancellation);
        for (int superSlab = start; superSlab < start + count; superSlab++)
            _reservation.SuperSlabs[superSlab].Pages = report.Pages;

        Enter();
        Bitmap.Set(_ready, start, count);
        Bitmap.Clear(_refused, start, count);
        Exit();
    }

    /// <summary>Claims the highest free run of SuperSlabs of a kind, at most <paramref name="most"/> of them, to give it back. Under the lock.</summary>
    private int TakeHighest(ulong* kind, int most, out int start)
    {
        for (int word = (_end - 1) >> 6; word >= 0; word--)
        {
            ulong bits = _free[word] & kind[word];
            if (bits == 0)
                continue;

            int last = (word << 6) + 63 - BitOperations.LeadingZeroCount(bits);
            int count = 1;
            while (count < most && count <= last && Bitmap.IsSet(_free, last - count) && Bitmap.IsSet(kind, last - count))
                count++;

            start = last - count + 1;
            Bitmap.Clear(_free, start, count);
            Bitmap.Clear(kind, start, count);
            return count;
        }

        start = -1;
        return 0;
    }

    private int Count(ulong* first, ulong* second)
    {
        int count = 0;
        for (int word = 0; word < _reservation.BitmapWords; word++)
            count += BitOperations.PopCount(first[word] & second[word]);

        return count;
    }
}

/// <summary>Who asks the pool for SuperSlabs, and for blocks of which class.</summary>
/// <param name="OwnerTag">The arena's tag.</param>
/// <param name="SizeClass">The size class, or <see cref="NoClass"/> where it is for no block in particular.</param>
internal readonly record struct Demand(uint OwnerTag, int SizeClass)
{
    public const int NoClass = -1;
}
