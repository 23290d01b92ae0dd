using System.Diagnostics;
using System.Numerics;

namespace SuperSlab;

/// <summary>
/// Hands out SuperSlabs and unbroken runs of them, lowest address first, and takes them back. Any thread.
/// </summary>
/// <remarks>
/// Two bits a SuperSlab:
/// <code>
///   free  ready
///    1     0     reserved: no memory behind it
///    1     1     in the retained reserve: prefaulted, handed out without an OS call
///    0     1     an arena's
///    0     0     being prefaulted or given back, by the thread that took it
/// </code>
/// A third bit, refused, marks free SuperSlabs that the system did not take back; the next trim offers them again. A
/// fourth, reserved, marks those of ranges: nobody else takes them, with memory or without.
/// <para>
/// The pool calls the system to prefault what is not ready, and in <see cref="Trim(nuint)"/>: not when SuperSlabs are
/// given to it, and not under the lock, so that a level that loads does not stop another's hot loop.
/// </para>
/// Equations, checked by <see cref="Validate"/> while no thread takes or gives:
/// <code>
///   free          =&gt;  no owner, and the index is not below _lowestFree
///   not free      =&gt;  a living owner; or the addresses are lost to somebody else, or reserved
///   reserved      =&gt;  not free; ready only with an owner
///   tag of a slab  =   0, or its SuperSlab's owner with a class
///   OwnedCount     =   SuperSlabs with an owner
/// </code>
/// </remarks>
internal sealed unsafe partial class SuperSlabPool
{
    /// <summary>Bitmaps in <see cref="Reservation.Bitmaps"/>, a bit a SuperSlab.</summary>
    public const int Bitmaps = 4;

    private readonly VirtualMemory _os;
    private readonly Prefaulter _prefaulter;
    private readonly Reservation _reservation;
    private readonly ulong* _free;
    private readonly ulong* _ready;
    private readonly ulong* _refused;
    private readonly ulong* _reserved;
    private readonly int* _lock;

    /// <summary>What <see cref="Trim()"/> leaves in the retained reserve.</summary>
    private readonly nuint _retainBytes;
    private nuint _raisedRetainBytes;

    /// <summary>0: no guard page was refused; 1: one was; 2: that was told.</summary>
    private int _guardShortage;
    private int _end;

    /// <summary>No free SuperSlab lies below.</summary>
    private int _lowestFree;

    public SuperSlabPool(VirtualMemory os, Prefaulter prefaulter, Reservation reservation, nuint retainBytes)
    {
        _retainBytes = retainBytes;
        _os = os;
        _prefaulter = prefaulter;
        _reservation = reservation;
        _free = (ulong*)reservation.Bitmaps.Address;
        _ready = _free + reservation.BitmapWords;
        _refused = _ready + reservation.BitmapWords;
        _reserved = _refused + reservation.BitmapWords;
        _lock = (int*)(_reserved + reservation.BitmapWords);
        Bitmap.Set(_free, 0, reservation.SuperSlabCount);
        os.DecommitRefused = NoteRefused;
    }

    /// <summary>Hears, before the OS call, who needs how many SuperSlabs that are not ready. No lock is held.</summary>
    public Action<Demand, int>? Observer { get; set; }

    /// <summary>Called where the reservation has no room: arenas give back unused memory. No lock is held.</summary>
    public Action? Shortage { get; set; }

    /// <summary>SuperSlabs of arenas.</summary>
    public int OwnedCount { get; private set; }

    public nuint PageBytes => _os.Facts.PageBytes;

    /// <summary>Memory nodes that SuperSlabs belong to by their addresses; 1 where they do not.</summary>
    public int NodeCount => _os.NodeCount;

    /// <summary>The node that the calling thread runs on.</summary>
    public int CurrentNode => _os.CurrentNode;

    /// <summary>SuperSlabs in the retained reserve.</summary>
    public int ReadyCount => Count(_free, _ready);

    public int FreeCount => Count(_free, _free);

    /// <summary>No SuperSlab from here on was ever used.</summary>
    public int End => Volatile.Read(ref _end);

    /// <summary>Whether a SuperSlab can be taken, and whether it is prefaulted. Some moments old.</summary>
    public (bool IsFree, bool IsReady) StateOf(int superSlab) =>
        (Bitmap.IsSet(_free, superSlab), Bitmap.IsSet(_ready, superSlab));

    /// <summary>The memory node of a SuperSlab, below <see cref="NodeCount"/>.</summary>
    public int NodeOf(int superSlab) => _os.NodeOf(_reservation.AddressOf(superSlab));

    /// <summary>The tag of a SuperSlab's owner, or 0.</summary>
    public uint OwnerTagOf(int superSlab) => superSlab < End ? _reservation.SuperSlabs[superSlab].OwnerTag : 0;

    /// <summary>Whether a SuperSlab has an owner and has had its memory since before a time.</summary>
    public bool IsReadySince(int superSlab, long time) =>
        OwnerTagOf(superSlab) != 0 && _reservation.SuperSlabs[superSlab].ReadyAt < time;

    /// <summary>Makes a page of an owned SuperSlab inaccessible, for checks.</summary>
    public GuardKind TryGuard(nint page)
    {
        GuardKind guard = _os.TryGuard(page, PageBytes);
        if (guard == GuardKind.None)
            Interlocked.CompareExchange(ref _guardShortage, 1, 0);

        return guard;
    }

    /// <summary>Makes a guarded page usable again; the next write to it faults.</summary>
    /// <exception cref="EngineOutOfMemoryException">The system refused.</exception>
    public void Unguard(nint page, GuardKind guard) => _os.Unguard(page, PageBytes, guard);

    /// <summary>The most guard pages, where one was refused that nobody was told of yet; else 0.</summary>
    public long TakeGuardShortage() =>
        Volatile.Read(ref _guardShortage) == 1 && Interlocked.CompareExchange(ref _guardShortage, 2, 1) == 1
            ? _os.MostSplittingGuards
            : 0;

    /// <summary>Has the SuperSlab of a page that stays inaccessible prefaulted anew before it is used again.</summary>
    public void Distrust(nint page, GuardKind guard)
    {
        VirtualMemory.ForgetGuard(guard);
        MarkPartial((int)((page - _reservation.Base) >> SlabGeometry.SuperSlabShift));
    }

    /// <summary>Puts SuperSlabs in the retained reserve, or, if their pages moved or went, in none. No OS
    /// call.</summary>
    public void Give(int start, int count)
    {
        Debug.Assert(count > 0 && _reservation.SuperSlabs[start].OwnerTag != 0, "only an owner gives SuperSlabs back");
        for (int index = start; index < start + count; index++)
        {
            if (_reservation.SuperSlabs[index].AbsentSlabs != 0)
                MarkPartial(index);

            _reservation.SuperSlabs[index] = _reservation.SuperSlabs[index].OfOwner(0);
        }

        Unclaim(start, count);
    }

    /// <summary>Raises the limit of the retained reserve until <see cref="EndRaise"/>.</summary>
    public void RaiseRetained(nuint bytes)
    {
        Enter();
        _raisedRetainBytes = nuint.Max(_raisedRetainBytes, bytes);
        Exit();
    }

    /// <summary>Sets the limit of the retained reserve back to its first value.</summary>
    public void EndRaise()
    {
        Enter();
        _raisedRetainBytes = 0;
        Exit();
    }

    /// <summary>Gives back to the system what exceeds the limit of the retained reserve.</summary>
    public nuint Trim() => Trim(nuint.Max(_retainBytes, _raisedRetainBytes));

    /// <summary>Trims while another error is on its way, which tells more than a refusal to take memory back.</summary>
    public void TryTrim()
    {
        try
        {
            Trim();
        }
        catch (EngineMemoryException)
        {
            // The memory stays free, and the next trim offers it again.
        }
    }

    /// <summary>Gives back the reserve above a size, the highest addresses first, and refused memory.</summary>
    /// <returns>The bytes given back.</returns>
    /// <exception cref="EngineMemoryException">The system refused. The next trim offers the memory again.</exception>
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
                // A refused range may be inaccessible in part: it is not ready, and is prefaulted anew when it is
                // taken.
                Enter();
                SetFree(start, count);
                Exit();
            }

            given += (nuint)count << SlabGeometry.SuperSlabShift;
        }
    }

    /// <param name="isOwner">Whether a living arena has this tag.</param>
    /// <exception cref="EngineMemoryException">An equation does not hold.</exception>
    public void Validate(Func<uint, bool>? isOwner = null)
    {
        int owned = 0;
        for (int index = 0; index < _end; index++)
        {
            bool free = Bitmap.IsSet(_free, index);
            uint owner = _reservation.SuperSlabs[index].OwnerTag;
            bool mayBeNobodys = Bitmap.IsSet(_reserved, index) || IsLost(index, 1);
            if (free == (owner != 0) && !(mayBeNobodys && !free))
                throw Damage($"SuperSlab {index} is {(free ? "free but has an owner" : "taken but has no owner")}.");

            if (Bitmap.IsSet(_reserved, index) && (free || Bitmap.IsSet(_ready, index) != (owner != 0)))
            {
                string state = free ? "free" : owner == 0 ? "ready without an owner" : "owned without memory";
                throw Damage($"SuperSlab {index} is reserved and {state}.");
            }

            if (free && index < _lowestFree)
                throw Damage($"SuperSlab {index} is free, and searches begin at {_lowestFree}.");

            if (owner != 0 && isOwner?.Invoke(owner) == false)
                throw Damage($"SuperSlab {index} belongs to the tag {owner:x}, which no living arena has.");

            uint* tags = _reservation.Tags + (index * SlabGeometry.SlabCount);
            foreach (uint tag in new ReadOnlySpan<uint>(tags, SlabGeometry.SlabCount))
            {
                uint described = tag & ~(uint)byte.MaxValue;
                if (tag != 0 && described != owner)
                {
                    throw Damage(
                        $"SuperSlab {index} belongs to {(owner == 0 ? "nobody" : $"the tag {owner:x}")}, "
                        + $"and a slab of it is described as one of the tag {described:x}.");
                }
            }

            owned += owner != 0 ? 1 : 0;
        }

        if (owned != OwnedCount)
            throw Damage($"{OwnedCount} SuperSlabs are counted as owned, {owned} are.");
    }

    private static EngineMemoryException Damage(string sentence) => new(sentence);
    private void Enter() => NativeLock.Enter(_lock);

    private void Exit() => NativeLock.Exit(_lock);

    /// <summary>Marks memory that the system did not take back. Called before its SuperSlabs become free.</summary>
    private void NoteRefused(nint address, nuint bytes)
    {
        if (_reservation.Contains(address))
        {
            nuint offset = (nuint)(address - _reservation.Base);
            int start = (int)(offset >> SlabGeometry.SuperSlabShift);
            int end = (int)Sizes.DivideRoundingUp(offset + bytes, SlabGeometry.SuperSlabBytes);
            Enter();
            Bitmap.Set(_refused, start, end - start);
            Exit();
        }
    }

    /// <summary>Makes SuperSlabs takeable, except those whose addresses are lost or reserved. Under the lock.</summary>
    private void SetFree(int start, int count)
    {
        Debug.Assert(Bitmap.RunLength(_free, start, count, value: false) == count, "SuperSlabs become free once");
        _lowestFree = Math.Min(_lowestFree, start);
        if (!IsLost(start, count) && Bitmap.RunLength(_reserved, start, count, value: false) == count)
        {
            Bitmap.Set(_free, start, count);
            return;
        }

        for (int index = start; index < start + count; index++)
        {
            if (!IsLost(index, 1) && !Bitmap.IsSet(_reserved, index))
                Bitmap.Set(_free, index, 1);
        }
    }

    private bool IsLost(int start, int count) =>
        _os.IsLost(_reservation.AddressOf(start), (nuint)count << SlabGeometry.SuperSlabShift);

    private int FindRun(ulong* other, int end, int count) =>
        Bitmap.FindRun(_free, other, Math.Min(_lowestFree, end), end, count);

    /// <summary>The first ready run, else the first free one, or -1; of the thread's own memory node before others'.
    /// Under the lock.</summary>
    private int FindFirst(int count)
    {
        bool hasNodes = NodeCount > 1;
        int node = CurrentNode;
        int start = hasNodes ? FindRunOn(node, _ready, _end, count) : -1;
        start = start >= 0 ? start : FindRun(_ready, _end, count);
        start = start < 0 && hasNodes ? FindRunOn(node, _free, _reservation.SuperSlabCount, count) : start;
        return start >= 0 ? start : FindRun(_free, _reservation.SuperSlabCount, count);
    }

    /// <summary>Orders single SuperSlabs so that each thread soon finds one of its own memory node.</summary>
    private void LetNodesTakeTurns(Span<int> singles)
    {
        int nodes = NodeCount;
        int[] counts = new int[nodes];
        long[] turns = new long[singles.Length];
        for (int index = 0; index < singles.Length; index++)
        {
            int node = NodeOf(singles[index]);
            turns[index] = ((long)counts[node]++ * nodes) + node;
        }

        turns.AsSpan().Sort(singles);
    }

    /// <summary>The first run that lies whole in a stripe of one memory node, or -1.</summary>
    private int FindRunOn(int node, ulong* other, int end, int count)
    {
        int found = -1;
        int stripe = Math.Min(_lowestFree, end);
        while (found < 0 && stripe < end)
        {
            nuint left = VirtualMemory.NodeStripeBytes
                - ((nuint)_reservation.AddressOf(stripe) % VirtualMemory.NodeStripeBytes);
            int next = Math.Min(stripe + (int)(left >> SlabGeometry.SuperSlabShift), end);
            found = NodeOf(stripe) == node ? Bitmap.FindRun(_free, other, stripe, next, count) : -1;
            stripe = next;
        }

        return found;
    }

    private void Unclaim(int start, int count)
    {
        Enter();
        SetFree(start, count);
        OwnedCount -= count;
        Debug.Assert(OwnedCount >= 0, "only what was claimed returns");
        Exit();
    }

    /// <summary>Claims the highest free run of a kind for a trim, limited in length. Under the lock.</summary>
    private int TakeHighest(ulong* kind, int most, out int start)
    {
        for (int word = (_end - 1) >> 6; word >= 0; word--)
        {
            ulong bits = _free[word] & kind[word];
            if (bits == 0)
                continue;

            int last = (word << 6) + 63 - BitOperations.LeadingZeroCount(bits);
            int count = 1;
            while (count < most && count <= last && Bitmap.IsSet(_free, last - count)
                && Bitmap.IsSet(kind, last - count))
            {
                count++;
            }

            Debug.Assert(count <= most, "no more than asked for");
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

/// <summary>A request for SuperSlabs.</summary>
/// <param name="OwnerTag">The tag of the arena that asks.</param>
/// <param name="SizeClass">The class of the blocks they are for, or <see cref="NoClass"/>.</param>
internal readonly record struct Demand(uint OwnerTag, int SizeClass)
{
    public const int NoClass = -1;
}
