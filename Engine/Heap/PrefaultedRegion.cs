using System.Diagnostics;

namespace SuperSlab;

/// <summary>
/// A range of the reservation for metadata, resident from its beginning up to a watermark that only rises. What is used
/// is prefaulted before use; the rest costs address space only. Any thread.
/// </summary>
internal sealed class PrefaultedRegion(Prefaulter prefaulter, nint address, nuint limitBytes, nuint stepBytes)
{
    private const int KeptGrowths = 32;

    private readonly WordLock _lock = new();
    private Prefaulter? _keeper;
    private nuint _touchedPageBytes;
    private nuint _residentBytes;

    /// <summary>The last growths: from where on, and when, as a timestamp of <see cref="Stopwatch"/>.</summary>
    private readonly (nuint From, long At)[] _growths = new (nuint, long)[KeptGrowths];
    private int _growthCount;

    public nint Address => address;

    public nuint LimitBytes => limitBytes;

    public bool Contains(nint address) => (nuint)(address - Address) < LimitBytes;

    /// <summary>What is resident. Rises after the pages came, so all that it says can be used.</summary>
    public nuint ResidentBytes => Volatile.Read(ref _residentBytes);

    /// <summary>Whether an address has been resident since before a time; the last 32 growths are known.</summary>
    public bool IsResidentSince(nint address, long time)
    {
        nuint offset = (nuint)(address - Address);
        if (offset >= ResidentBytes)
            return false;

        using (_lock.Hold())
            return !Array.Exists(_growths, growth => growth.At >= time && offset >= growth.From);
    }

    /// <summary>
    /// Makes the whole region readable now. From then on it becomes resident by touching, because a prefault that the
    /// system refuses would make it inaccessible again.
    /// </summary>
    public void CommitAll(VirtualMemory os)
    {
        os.Commit(Address, LimitBytes);
        _touchedPageBytes = os.Facts.PageBytes;
    }

    /// <summary>Keeps what is resident, and what becomes so, where it is.</summary>
    public void Keep(Prefaulter keeper)
    {
        using (_lock.Hold())
        {
            _keeper = keeper;
            if (_residentBytes != 0)
                keeper.Keep(Address, _residentBytes, PageKind.Normal);
        }
    }

    /// <summary>Ends <see cref="Keep"/>.</summary>
    public void LetGo(VirtualMemory os)
    {
        using (_lock.Hold())
        {
            _keeper = null;
            if (_residentBytes != 0)
                os.LetGo(Address, _residentBytes);
        }
    }

    /// <summary>Makes the first <paramref name="bytes"/> resident.</summary>
    public void Ensure(nuint bytes)
    {
        if (bytes <= ResidentBytes)
            return;

        if (bytes > LimitBytes)
        {
            throw new EngineOutOfMemoryException(
                $"The allocator's metadata needs {Sizes.Text(bytes)} where the reservation has room for "
                + $"{Sizes.Text(LimitBytes)}; a larger EngineMemoryOptions.ReservationBytes gives more.");
        }

        using (_lock.Hold())
        {
            nuint wanted = nuint.Min(Sizes.AlignUp(bytes, stepBytes), LimitBytes);
            if (wanted > _residentBytes)
                Grow(wanted);
        }
    }

    private void Grow(nuint wanted)
    {
        nint start = Address + (nint)_residentBytes;
        nuint added = wanted - _residentBytes;
        if (_touchedPageBytes == 0)
        {
            prefaulter.Provide(start, added);
        }
        else
        {
            PageToucher.Touch(start, added, _touchedPageBytes);
            prefaulter.Keep(start, added, PageKind.Normal);
        }

        _keeper?.Keep(start, added, PageKind.Normal);
        _growths[_growthCount++ % KeptGrowths] = (_residentBytes, Stopwatch.GetTimestamp());
        Volatile.Write(ref _residentBytes, wanted);
    }
}
