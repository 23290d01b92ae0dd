using System.Diagnostics;

namespace SuperSlab;

/// <summary>
/// Parts of reservations that belong to somebody else: a call that maps over a range may unmap it and then fail, and
/// another thread's mmap may land there before the range is mapped again. Such memory is never touched again. Any
/// thread.
/// </summary>
internal sealed class LostRanges
{
    private readonly Lock _lock = new();
    private volatile (nuint Start, nuint End)[] _ranges = [];

    public bool Overlap(nint address, nuint bytes)
    {
        foreach ((nuint start, nuint end) in _ranges)
        {
            if (start < (nuint)address + bytes && (nuint)address < end)
                return true;
        }

        return false;
    }

    public void Add(nint address, nuint bytes)
    {
        Debug.Assert(address != 0 && bytes != 0, "Only a part of a reservation is lost.");
        lock (_lock)
        {
            (nuint Start, nuint End)[] ranges = [.. _ranges, ((nuint)address, (nuint)address + bytes)];
            Array.Sort(ranges, static (left, right) => left.Start.CompareTo(right.Start));
            _ranges = ranges;
        }
    }

    /// <summary>The reservation is released: what is mapped at its addresses from now on is there by right.</summary>
    public void ForgetWithin(nint address, nuint bytes)
    {
        nuint first = (nuint)address;
        lock (_lock)
            _ranges = Array.FindAll(_ranges, range => range.Start < first || range.End > first + bytes);
    }

    /// <summary>The parts of a range that are not lost.</summary>
    public List<(nint Address, nuint Bytes)> Remainder(nint address, nuint bytes)
    {
        List<(nint Address, nuint Bytes)> kept = [];
        nuint next = (nuint)address;
        nuint last = next + bytes;
        foreach ((nuint start, nuint end) in _ranges)
        {
            if (start > next && start < last)
                kept.Add(((nint)next, start - next));

            next = end > next && start < last ? end : next;
        }

        if (next < last)
            kept.Add(((nint)next, last - next));

        return kept;
    }
}
