using System.Diagnostics;
using System.Numerics;
using System.Runtime.InteropServices;

namespace SuperSlab;

/// <content>How SuperSlabs are claimed, made ready and given to an owner.</content>
internal sealed unsafe partial class SuperSlabPool
{
    /// <summary>
    /// Takes neighbouring SuperSlabs for an owner, ready ones if it can, and prefaults what is not ready. The caller
    /// holds no lock: the system is called, and arenas may give back what they do not use.
    /// </summary>
    /// <returns>The first SuperSlab, or -1 where the reservation has no such run.</returns>
    /// <exception cref="EngineOutOfMemoryException">The system gave no memory. Nothing has changed.</exception>
    /// <param name="count">How many.</param>
    /// <param name="demand">Who asks.</param>
    /// <param name="task">How they are prefaulted; null on demand.</param>
    /// <param name="mayGrow">
    /// Whether the run may grow in place later: it has room on both sides where there is some, and pages of the reserve
    /// move there before the system is asked for more. What grows in turns with its neighbours so leaves no memory
    /// behind in the places that it grew out of.
    /// </param>
    public int Take(int count, Demand demand, PrefaultTask? task = null, bool mayGrow = false)
    {
        int start = ClaimRun(count, mayGrow);
        if (start < 0 && Shortage is { } shortage)
        {
            shortage();
            start = ClaimRun(count, mayGrow);
        }

        if (start >= 0)
        {
            MakeReady([(start, count)], demand, task, usesReserve: count > 1 && task is null);
            Own(start, count, demand.OwnerTag);
        }

        return start;
    }

    /// <summary>
    /// Takes runs of SuperSlabs for one owner, all or none; prefaults together what is not ready. The last SuperSlab of
    /// a run may need fewer slabs than it has.
    /// </summary>
    /// <param name="lengths">SuperSlabs of each run; they fall.</param>
    /// <param name="needed">
    /// The first slabs of each run that need memory, or empty where all do. Set to those that have some afterwards.
    /// </param>
    /// <param name="demand">Who asks.</param>
    /// <param name="task">How they are prefaulted; null on demand.</param>
    /// <returns>The first SuperSlab of each run.</returns>
    /// <exception cref="EngineOutOfMemoryException">No memory. What is ready stays in the reserve.</exception>
    /// <exception cref="OperationCanceledException">Cancelled. What is ready stays in the reserve.</exception>
    public int[] Claim(ReadOnlySpan<int> lengths, Span<int> needed, Demand demand, PrefaultTask? task)
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
                $"{Sum(lengths)} SuperSlabs of 2 MiB were to be prefaulted, and the reservation of "
                + $"{Sizes.Text(_reservation.BlockBytes)} has room for {Sum(lengths[..claimed])} of them; "
                + "a larger EngineMemoryOptions.ReservationBytes gives more.");
        }

        if (NodeCount > 1)
            LetNodesTakeTurns(starts.AsSpan(lengths.IndexOf(1) is var single and >= 0 ? single : starts.Length));

        bool isReady = false;
        try
        {
            PrefaultParts(lengths, needed, starts, demand, task);
            Prefault(Ranges(lengths, starts), demand, task);
            isReady = true;
        }
        finally
        {
            if (!isReady)
            {
                GiveUpParts(lengths, needed, starts);
                Unclaim(lengths, starts, starts.Length);
            }
        }

        for (int index = 0; index < starts.Length; index++)
            Own(starts[index], lengths[index], demand.OwnerTag);

        return starts;
    }

    /// <summary>Takes the SuperSlabs [start, start + count) if all are free: an extent grows in place.</summary>
    /// <param name="start">The first of them.</param>
    /// <param name="count">How many.</param>
    /// <param name="demand">Who asks.</param>
    /// <param name="usesReserve">Whether pages of the reserve move there before the system is asked for more.</param>
    /// <exception cref="EngineOutOfMemoryException">The system gave no memory. Nothing has changed.</exception>
    public bool TryTakeAt(int start, int count, Demand demand, bool usesReserve = false)
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
            MakeReady([(start, count)], demand, task: null, usesReserve);
            Own(start, count, demand.OwnerTag);
        }

        return isFree;
    }

    /// <summary>Takes the SuperSlabs [start, start + count) if all are free and ready. No OS call.</summary>
    public bool TryTakeReadyAt(int start, int count, uint ownerTag)
    {
        Enter();
        bool isReady = Bitmap.RunLength(_free, start, count, value: true) == count
            && Bitmap.RunLength(_ready, start, count, value: true) == count;
        if (isReady)
            MarkClaimed(start, count);

        Exit();
        if (isReady)
            Own(start, count, ownerTag);

        return isReady;
    }

    /// <summary>Whether the reservation had room for a run of SuperSlabs a moment ago.</summary>
    public bool HasRoom(int count)
    {
        Enter();
        bool hasRoom = FindRun(_free, _reservation.SuperSlabCount, count) >= 0;
        Exit();
        return hasRoom;
    }

    /// <summary>Whether a run of SuperSlabs could be taken without an OS call a moment ago.</summary>
    public bool HasReady(int count)
    {
        Enter();
        bool hasReady = FindRun(_ready, _end, count) >= 0;
        Exit();
        return hasReady;
    }

    private static int Sum(ReadOnlySpan<int> lengths)
    {
        int sum = 0;
        foreach (int length in lengths)
            sum += length;

        return sum;
    }

    /// <summary>The runs as few ranges, in the order of their addresses.</summary>
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

    private int ClaimRun(int count, bool mayGrow)
    {
        Enter();
        int start = mayGrow ? FindRoomy(count) : FindFirst(count);
        if (start >= 0)
            MarkClaimed(start, count);

        Exit();
        return start;
    }

    /// <summary>A run that is ready for the most part, else with room on both sides, or -1. Under the lock.</summary>
    private int FindRoomy(int count)
    {
        // 80 MiB cost some 90 KiB of tables, which reach up to the last SuperSlab that was used.
        const int MostRoom = 40;
        const int LeastRoom = 4;
        int start = FindReadiest(count);
        bool isCold = start >= 0 && ReadyIn(start, count) < (count + 1) / 2;
        for (int room = MostRoom; isCold && room >= LeastRoom; room /= 2)
        {
            int roomy = FindRun(_free, _reservation.SuperSlabCount, count + (2 * room));
            isCold = roomy < 0;
            start = isCold ? start : roomy + room;
        }

        return start;
    }

    /// <summary>Claims runs in their order, until one finds no room.</summary>
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

        claimed = ClaimEvenly(starts, claimed);
        claimed = ClaimSingles(_ready, _end, starts, claimed);
        claimed = ClaimSingles(_free, _reservation.SuperSlabCount, starts, claimed);
        Exit();
        return claimed;
    }

    /// <summary>Claims as many single SuperSlabs of each memory node, where there are several, as far as it has some:
    /// the arena's threads may run on any. Under the lock.</summary>
    private int ClaimEvenly(Span<int> starts, int claimed)
    {
        int nodes = NodeCount;
        for (int node = 0; nodes > 1 && node < nodes; node++)
        {
            Span<int> share = starts[..(claimed + ((starts.Length - claimed) / (nodes - node)))];
            claimed = ClaimSingles(_ready, _end, share, claimed, node);
            claimed = ClaimSingles(_free, _reservation.SuperSlabCount, share, claimed, node);
        }

        return claimed;
    }

    /// <summary>Claims single SuperSlabs that are set in both bitmaps, the lowest first, of one memory node or of any.
    /// Under the lock.</summary>
    private int ClaimSingles(ulong* other, int end, Span<int> starts, int claimed, int? node = null)
    {
        for (int word = _lowestFree >> 6; word < (end + 63) >> 6 && claimed < starts.Length; word++)
        {
            for (ulong bits = _free[word] & other[word]; bits != 0 && claimed < starts.Length; bits &= bits - 1)
            {
                int index = (word << 6) + BitOperations.TrailingZeroCount(bits);
                if (node is not null && NodeOf(index) != node)
                    continue;

                MarkClaimed(index, 1);
                starts[claimed++] = index;
            }
        }

        return claimed;
    }

    /// <summary>The free run of a length with the most ready SuperSlabs, or -1. Under the lock.</summary>
    private int FindReadiest(int count)
    {
        int best = FindFirst(count);
        int most = best < 0 ? count : ReadyIn(best, count);
        int end = ReadyCount == 0 ? 0 : _end;
        for (int start = best + 1; most < count && start < end; start++)
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
        Debug.Assert(Bitmap.RunLength(_free, start, count, value: true) == count, "only free SuperSlabs are claimed");
        Bitmap.Clear(_free, start, count);
        _lowestFree = start == _lowestFree ? start + count : _lowestFree;
        OwnedCount += count;
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
            ref SuperSlabDescriptor superSlab = ref _reservation.SuperSlabs[index];
            superSlab = superSlab.OfOwner(ownerTag);
            superSlab.RunLength = index == start ? count : 0;
        }
    }

    private void EnsureTables(int end)
    {
        _reservation.EnsureTables(end);
        Enter();
        _end = Math.Max(_end, end);
        Exit();
    }

    /// <summary>Makes claimed ranges ready; on an exception all become free.</summary>
    private void MakeReady(
        ReadOnlySpan<(int Start, int Count)> ranges, Demand demand, PrefaultTask? task, bool usesReserve = false)
    {
        try
        {
            foreach ((int start, int count) in usesReserve && _os.Facts.MovesPages ? ranges : [])
                FillFromReserve(start, count, demand);

            Prefault(ranges, demand, task);
        }
        catch
        {
            foreach ((int start, int count) in ranges)
                Unclaim(start, count);

            throw;
        }
    }

    /// <summary>Prefaults, run by run, the SuperSlabs of claimed ranges that are not ready.</summary>
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
                else if (task is not null)
                    Keep(index, run, task.Prefaulter ?? _prefaulter);

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
            Describe(superSlab, report.Pages);

        Enter();
        Bitmap.Set(_ready, start, count);
        Bitmap.Clear(_refused, start, count);
        Exit();
    }

    private void Describe(int superSlab, PageKind pages)
    {
        _reservation.SuperSlabs[superSlab].Pages = pages;
        _reservation.SuperSlabs[superSlab].ReadyAt = Stopwatch.GetTimestamp();
    }

    /// <summary>Keeps ready SuperSlabs as a prewarm wants: somebody else may have made them ready.</summary>
    private void Keep(int start, int count, Prefaulter prefaulter)
    {
        nuint bytes = (nuint)count << SlabGeometry.SuperSlabShift;
        if (prefaulter.KeepsPages)
            prefaulter.Keep(_reservation.AddressOf(start), bytes, _reservation.SuperSlabs[start].Pages);
    }
}
