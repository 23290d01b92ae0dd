using System.Numerics;
using Engine.Core;
using Engine.Platform;

namespace Engine.SuperSlabs;

/// <summary>
/// Hands out SuperSlabs and unbroken runs of them, lowest address first, and takes them back. Two bits a SuperSlab say all:
///
///   free  ready
///    1     0     reserved: no memory behind it
///    1     1     in the retained reserve: prefaulted, waiting; handed out without an OS call
///    0     1     owned by an arena
///    0     0     being prefaulted or given back, by the thread that took it
///
/// OS calls are made only to prefault what is not ready, and in <see cref="Trim(nuint)"/>; never when something is given back, and never
/// under the lock, so that a level that loads does not stop another's hot loop. Any thread.
/// </summary>
internal sealed unsafe class SuperSlabPool
{
    private static readonly Demand s_prefaulting = new(uint.MaxValue, Demand.NoClass);

    private readonly VirtualMemory _os;
    private readonly Prefaulter _prefaulter;
    private readonly Reservation _reservation;
    private readonly ulong* _free;
    private readonly ulong* _ready;
    private readonly int* _lock;
    private readonly nuint _retainBytes;
    private nuint _raisedRetainBytes;
    private int _held;
    private nuint _owedTrimBytes = nuint.MaxValue;
    private readonly Lock _tables = new();
    private int _end;

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
        _lock = (int*)(_ready + reservation.BitmapWords);
        Bitmap.Set(_free, 0, reservation.SuperSlabCount);
    }

    /// <summary>
    /// Told, before the OS call, who needs SuperSlabs that are not ready, and how many; null, the default, tells nobody. It may be called
    /// with locks of the arena held, so it must not use the memory system.
    /// </summary>
    public Action<Demand, int>? Observer { get; set; }

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
        Bitmap.Clear(_ready, (int)((page - _reservation.Base) >> SuperSlab.Shift), 1);
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
    /// </summary>
    /// <returns>The first SuperSlab, or -1 where the reservation has no such run.</returns>
    /// <exception cref="EngineOutOfMemoryException">The system gave no memory. Nothing has changed.</exception>
    public int Take(int count, Demand demand, PrefaultTask? task = null)
    {
        int start;
        Enter();
        start = Bitmap.FindRun(_free, _ready, 0, _end, count);
        if (start < 0)
        {
            start = Bitmap.FindRun(_free, _free, 0, _reservation.SuperSlabCount, count);
        }

        if (start >= 0)
        {
            Claim(start, count);
        }

        Exit();
        if (start >= 0)
        {
            MakeReady(start, count, demand, task);
            Own(start, count, demand.OwnerTag);
        }

        return start;
    }

    /// <summary>Takes the SuperSlabs [start, start + count) if all are free. Used to let an extent grow where it is.</summary>
    public bool TryTakeAt(int start, int count, Demand demand)
    {
        if (start + count > _reservation.SuperSlabCount)
        {
            return false;
        }

        Enter();
        bool isFree = Bitmap.RunLength(_free, start, count, value: true) == count;
        if (isFree)
        {
            Claim(start, count);
        }

        Exit();
        if (isFree)
        {
            MakeReady(start, count, demand, task: null);
            Own(start, count, demand.OwnerTag);
        }

        return isFree;
    }

    /// <summary>
    /// Takes <paramref name="count"/> SuperSlabs and moves the pages of the caller's <paramref name="fromCount"/> there, which stay the
    /// caller's but have nothing behind them any more. Only where prefaulting would be needed anyway: memory in the reserve is taken
    /// without an OS call instead, and copied to.
    /// </summary>
    /// <returns>The first SuperSlab, or -1 where there is no room, the reserve has room, or the system cannot move pages.</returns>
    public int TakeWithPagesOf(int from, int fromCount, int count, Demand demand)
    {
        Enter();
        int start = Bitmap.FindRun(_free, _ready, 0, _end, count) >= 0 ? -1 : Bitmap.FindRun(_free, _free, 0, _reservation.SuperSlabCount, count);
        bool isCold = start >= 0 && Bitmap.RunLength(_ready, start, fromCount, value: false) == fromCount;
        if (isCold)
        {
            Claim(start, count);
        }

        Exit();
        if (!isCold)
        {
            return -1;
        }

        int tail = start + fromCount;
        try
        {
            MakeReady(tail, count - fromCount, demand, task: null);
        }
        catch
        {
            Unclaim(start, fromCount);
            throw;
        }

        // The last step cannot be half done. The old addresses stay accessible and empty until they are prefaulted anew.
        if (!_os.TryMovePages(_reservation.AddressOf(from), _reservation.AddressOf(start), (nuint)fromCount << SuperSlab.Shift))
        {
            Unclaim(start, count);
            return -1;
        }

        for (int index = 0; index < fromCount; index++)
        {
            _reservation.SuperSlabs[start + index].Pages = _reservation.SuperSlabs[from + index].Pages;
        }

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
        {
            _reservation.SuperSlabs[index] = new SuperSlab { Pages = _reservation.SuperSlabs[index].Pages };
        }

        Unclaim(start, count);
    }

    /// <summary>
    /// Sees to it that so many SuperSlabs are in the retained reserve, neighbours where the reservation has room for that, and holds them
    /// there: until <see cref="EndHold"/>, which the caller owes after it took them, nobody's <see cref="Trim()"/> gives them back.
    /// </summary>
    /// <exception cref="EngineOutOfMemoryException">The reservation or the system has no more. What was made ready stays in the reserve; nothing is held.</exception>
    public void EnsureReady(int count, PrefaultTask? task)
    {
        Enter();
        bool isReady = count <= ReadyCount - _held;
        _held += isReady ? count : 0;
        Exit();
        if (!isReady)
        {
            MakeReserve(count, task);
        }
    }

    /// <summary>Ends the hold of as many SuperSlabs as <see cref="EnsureReady"/> was asked for, and gives back what a trim left for its sake.</summary>
    public void EndHold(int count)
    {
        Enter();
        _held -= count;
        nuint owed = _owedTrimBytes;
        _owedTrimBytes = nuint.MaxValue;
        Exit();
        if (owed != nuint.MaxValue)
        {
            Trim(owed);
        }
    }

    private void MakeReserve(int count, PrefaultTask? task)
    {
        List<(int Start, int Count)> taken = [];
        try
        {
            int piece = count;
            for (int have = 0; have < count;)
            {
                piece = Math.Min(piece, count - have);
                int start = Take(piece, s_prefaulting, task);
                if (start >= 0)
                {
                    taken.Add((start, piece));
                    have += piece;
                }
                else if (piece > 1)
                {
                    piece /= 2;
                }
                else
                {
                    throw new EngineOutOfMemoryException(
                        $"{count} SuperSlabs of 2 MiB were to be prefaulted, and the reservation of {Sizes.Text(_reservation.BlockBytes)} has room for {have}; "
                        + "a larger EngineMemoryOptions.ReservationBytes gives more.");
                }
            }

            Enter();
            _held += count;
            Exit();
        }
        finally
        {
            foreach ((int start, int length) in taken)
            {
                Give(start, length);
            }
        }
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

    /// <summary>
    /// Gives the retained reserve back to the system, down to <paramref name="retainBytes"/> and what is held for loads that go on, the highest
    /// addresses first. The rest follows when the hold ends.
    /// </summary>
    /// <returns>The bytes given back.</returns>
    public nuint Trim(nuint retainBytes)
    {
        int retain = (int)nuint.Min(retainBytes >> SuperSlab.Shift, int.MaxValue);
        nuint given = 0;
        while (true)
        {
            Enter();
            int excess = ReadyCount - retain - _held;
            if (_held != 0)
            {
                _owedTrimBytes = nuint.Min(_owedTrimBytes, retainBytes);
            }

            int start = -1;
            int count = 0;
            if (excess > 0)
            {
                count = TakeHighestReady(excess, out start);
            }

            Exit();
            if (count == 0)
            {
                return given;
            }

            try
            {
                _os.Decommit(_reservation.AddressOf(start), (nuint)count << SuperSlab.Shift);
            }
            finally
            {
                // What the system refused may be inaccessible in part: it is not ready, and is prefaulted anew when it is taken.
                Enter();
                Bitmap.Set(_free, start, count);
                Exit();
            }

            given += (nuint)count << SuperSlab.Shift;
        }
    }

    /// <exception cref="EngineMemoryException">The bitmaps and the descriptors contradict each other.</exception>
    public void Validate()
    {
        int owned = 0;
        for (int index = 0; index < _end; index++)
        {
            bool free = Bitmap.IsSet(_free, index);
            bool hasOwner = _reservation.SuperSlabs[index].OwnerTag != 0;
            if (free == hasOwner)
            {
                throw new EngineMemoryException($"SuperSlab {index} is {(free ? "free but has an owner" : "taken but has no owner")}.");
            }

            owned += free ? 0 : 1;
        }

        if (owned != OwnedCount)
        {
            throw new EngineMemoryException($"{OwnedCount} SuperSlabs are counted as owned, {owned} are.");
        }
    }

    private void Enter() => NativeLock.Enter(_lock);

    private void Exit() => NativeLock.Exit(_lock);

    private void Claim(int start, int count)
    {
        Bitmap.Clear(_free, start, count);
        OwnedCount += count;
    }

    private void Unclaim(int start, int count)
    {
        Enter();
        Bitmap.Set(_free, start, count);
        OwnedCount -= count;
        Exit();
    }

    private void Own(int start, int count, uint ownerTag)
    {
        for (int index = start; index < start + count; index++)
        {
            _reservation.SuperSlabs[index] = new SuperSlab
            {
                OwnerTag = ownerTag,
                RunLength = index == start ? count : 0,
                Pages = _reservation.SuperSlabs[index].Pages,
            };
        }
    }

    /// <summary>Prefaults those of the claimed SuperSlabs that are not ready, a run of them at a time; all go back when that fails.</summary>
    private void MakeReady(int start, int count, Demand demand, PrefaultTask? task)
    {
        int end = start + count;
        int index = start;
        try
        {
            lock (_tables)
            {
                _reservation.EnsureTables(end);
            }

            Enter();
            _end = Math.Max(_end, end);
            Exit();

            while (index < end)
            {
                bool ready = Bitmap.IsSet(_ready, index);
                int run = Bitmap.RunLength(_ready, index, end - index, ready);
                if (!ready)
                {
                    Observer?.Invoke(demand, run);
                    nint address = _reservation.AddressOf(index);
                    nuint bytes = (nuint)run << SuperSlab.Shift;
                    PrefaultReport report = task is null
                        ? _prefaulter.Provide(address, bytes, 1, null, CancellationToken.None)
                        : (task.Prefaulter ?? _prefaulter).Provide(address, bytes, task.Threads, task.Progress, task.Cancellation);
                    for (int superSlab = index; superSlab < index + run; superSlab++)
                    {
                        _reservation.SuperSlabs[superSlab].Pages = report.Pages;
                    }

                    Enter();
                    Bitmap.Set(_ready, index, run);
                    Exit();
                }

                index += run;
            }
        }
        catch
        {
            Unclaim(start, count);
            throw;
        }
    }

    /// <summary>Claims the highest run of ready, free SuperSlabs, at most <paramref name="most"/> of them. Under the lock.</summary>
    private int TakeHighestReady(int most, out int start)
    {
        for (int word = (_end - 1) >> 6; word >= 0; word--)
        {
            ulong bits = _free[word] & _ready[word];
            if (bits == 0)
            {
                continue;
            }

            int last = (word << 6) + 63 - BitOperations.LeadingZeroCount(bits);
            int count = 1;
            while (count < most && Bitmap.IsSet(_free, last - count) && Bitmap.IsSet(_ready, last - count))
            {
                count++;
            }

            start = last - count + 1;
            Bitmap.Clear(_free, start, count);
            Bitmap.Clear(_ready, start, count);
            return count;
        }

        start = -1;
        return 0;
    }

    private int Count(ulong* first, ulong* second)
    {
        int count = 0;
        for (int word = 0; word < _reservation.BitmapWords; word++)
        {
            count += BitOperations.PopCount(first[word] & second[word]);
        }

        return count;
    }
}
