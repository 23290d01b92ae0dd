namespace SuperSlab;

/// <summary>
/// A range of the reservation for metadata, resident from its beginning up to a watermark that only rises. Tables indexed by SuperSlab
/// or slab and the metadata heap are such regions: what is used is prefaulted before it is used, what is not costs address space only.
/// </summary>
internal sealed class PrefaultedRegion
{
    private readonly Prefaulter _prefaulter;
    private readonly nuint _stepBytes;
    private nuint _touchedPageBytes;
    private nuint _residentBytes;

    public PrefaultedRegion(Prefaulter prefaulter, nint address, nuint limitBytes, nuint stepBytes)
    {
        _prefaulter = prefaulter;
        _stepBytes = stepBytes;
        Address = address;
        LimitBytes = limitBytes;
    }

    public nint Address { get; }

    public nuint LimitBytes { get; }

    public bool Contains(nint address) => (nuint)(address - Address) < LimitBytes;

    /// <summary>What is resident. It rises after the pages came, so whoever reads it may use them.</summary>
    public nuint ResidentBytes => Volatile.Read(ref _residentBytes);

    /// <summary>
    /// Makes the whole region readable now. It then becomes resident by touching: a prefault that the system refuses would take the
    /// access away again.
    /// </summary>
    public void CommitAll(VirtualMemory os)
    {
        os.Commit(Address, LimitBytes);
        _touchedPageBytes = os.Facts.PageBytes;
    }

    /// <summary>Makes the first <paramref name="bytes"/> resident. Nothing changes when it throws. One thread at a time.</summary>
    public void Ensure(nuint bytes)
    {
        if (bytes <= ResidentBytes)
            return;

        if (bytes > LimitBytes)
        {
            throw new EngineOutOfMemoryException(
                $"The allocator's metadata needs {Sizes.Text(bytes)} where the reservation has room for {Sizes.Text(LimitBytes)}; "
                + "a larger EngineMemoryOptions.ReservationBytes gives more.");
        }

        nuint wanted = nuint.Min(Sizes.AlignUp(bytes, _stepBytes), LimitBytes);
        nint start = Address + (nint)ResidentBytes;
        if (_touchedPageBytes != 0)
            PageToucher.Touch(start, wanted - ResidentBytes, _touchedPageBytes);
        else
            _prefaulter.Provide(start, wanted - ResidentBytes);

        Volatile.Write(ref _residentBytes, wanted);
    }
}

/// <summary>
/// How a large prefault is carried out: on how many threads, who hears of its progress (0 to 1), who may stop it, and by which policy where
/// not by the pool's own.
/// </summary>
internal sealed record PrefaultTask(int Threads, IProgress<double>? Progress, CancellationToken Cancellation, Prefaulter? Prefaulter = null)
{
    /// <summary>The same for a part that is such a share of the whole.</summary>
    public PrefaultTask Part(double start, double share) =>
        Progress is null || share == 1 ? this : this with { Progress = new PartProgress(Progress, start, share) };
}

/// <summary>The progress of one part of a work, told as its share of the whole.</summary>
/// <param name="whole">Who hears of the whole work, 0 to 1.</param>
/// <param name="start">How far the work is when the part begins.</param>
/// <param name="share">The part's share of the work.</param>
internal sealed class PartProgress(IProgress<double> whole, double start, double share) : IProgress<double>
{
    /// <inheritdoc/>
    public void Report(double value) => whole.Report(Math.Min(start + (value * share), 1));
}
