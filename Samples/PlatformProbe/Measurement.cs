// The probe's measurements, of the engine and of the kernel alone.
using System.Diagnostics;
using System.Runtime.CompilerServices;
using Samples.Common;
using SuperSlab;

namespace PlatformProbe;

/// <summary>Takes the measurements of the probe.</summary>
internal sealed unsafe class Measurement(VirtualMemory os)
{
    private const int PrewarmRuns = 7;
    public const nuint SuperSlabBytes = 2 << 20;
    public const nuint LargeBytes = 64 << 20;

    private const int Runs = 5;

    public ProbeRow Probe(PrefaultPolicy policy, PageKind pages)
    {
        var step = new PrefaultStep(pages, policy);
        string? whyNot = PrefaultTable.MakesSense(step, os.Facts.System)
            ? null
            : os.Facts.System + ": makes no sense together, or is unknown";
        double small = 0;
        double large = 0;
        long wouldFault = -1;
        long faults = -1;
        long huge = -1;
        if (whyNot is null && os.TryReserve(LargeBytes, SuperSlabBytes, out nint address))
        {
            whyNot = TryMedian(address, SuperSlabBytes, step, out small)
                ?? TryMedian(address, LargeBytes, step, out large);
            if (whyNot is null && (whyNot = TryProvide(address, LargeBytes, step)) is null)
            {
                wouldFault = os.PagesThatWouldFault(address, LargeBytes);
                huge = os.HugePageBytesBehind(address, LargeBytes);
                faults = PageFaults.IsPerThread ? FaultsOfWritePass(address, LargeBytes) : -1;
                os.Decommit(address, LargeBytes);
            }

            os.Release(address, LargeBytes);
        }

        return new ProbeRow
        {
            Policy = EnumNames<PrefaultPolicy>.Of(policy),
            Pages = EnumNames<PageKind>.Of(pages),
            WhyNot = whyNot,
            MicrosecondsPerMebibyteOfSuperSlab = small,
            MicrosecondsPerMebibyteOfLarge = large,
            PagesThatWouldFault = wouldFault,
            FaultsOfWritePass = faults,
            HugePageMebibytes = huge < 0 ? -1 : huge >> 20,
        };
    }

    /// <summary>
    /// The bandwidth of a large prewarm by different numbers of threads, without and with pins, and first of the kernel
    /// alone where <paramref name="bare"/> is given. They take turns, so that a machine that slows down slows all of
    /// them.
    /// </summary>
    public IReadOnlyList<PrewarmRow> Prewarms(int[] threads, nuint bytes, BareKernel? bare)
    {
        if (!os.TryReserve(bytes, SuperSlabBytes, out nint address))
            throw new EngineOutOfMemoryException($"No {FigureText.Bytes((long)bytes)} of address space are left.");

        Prefaulter[] prefaulters = Array.ConvertAll<StayPolicy, Prefaulter>(
            [StayPolicy.None, StayPolicy.Pin],
            stay => new Prefaulter(os, PrefaultPolicy.Automatic, PageKind.Automatic, stay));
        List<double> alone = [];
        int rowCount = threads.Length * prefaulters.Length;
        List<double>[] times = [.. Enumerable.Range(0, rowCount).Select(_ => new List<double>())];
        for (int run = 0; run < PrewarmRuns; run++)
        {
            if (bare is not null && bare.Prewarm(bytes) is >= 0 and double milliseconds)
                alone.Add(milliseconds);

            for (int index = 0; index < times.Length; index++)
            {
                Prefaulter prefaulter = prefaulters[index % prefaulters.Length];
                int count = threads[index / prefaulters.Length];
                PrefaultReport report = prefaulter.Provide(address, bytes, count, null, CancellationToken.None);
                times[index].Add(report.Nanoseconds / 1e6);
                os.Decommit(address, bytes);
            }
        }

        os.Release(address, bytes);
        bool isPinned = prefaulters[^1].Describe().Contains("pins: ok", StringComparison.Ordinal);
        List<PrewarmRow> rows = alone.Count == 0 ? [] : [Row(0, isPinned: false, alone, bytes)];
        for (int index = 0; index < times.Length; index++)
        {
            bool pins = index % prefaulters.Length != 0;
            if (!pins || isPinned)
                rows.Add(Row(threads[index / prefaulters.Length], pins, times[index], bytes));
        }

        return rows;
    }

    /// <summary>Compiled once: a loop that is recompiled while it runs takes faults of its own.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public long FaultsOfWritePass(nint address, nuint bytes)
    {
        nuint page = os.Facts.PageBytes;
        long before = PageFaults.OfThread();
        before = PageFaults.OfThread(); // the first call faults by itself
        for (nuint offset = 0; offset < bytes; offset += page)
            ((byte*)address)[offset] = 1;

        return PageFaults.OfThread() - before;
    }

    private static PrewarmRow Row(int threads, bool isPinned, List<double> times, nuint bytes)
    {
        times.Sort();
        double median = times[times.Count / 2];
        return new PrewarmRow(
            threads, isPinned, (long)(bytes >> 20), median, times[0], times[^1], bytes / median * 1e3 / (1 << 30));
    }

    private string? TryMedian(nint address, nuint bytes, PrefaultStep step, out double microsecondsPerMebibyte)
    {
        double[] times = new double[Runs];
        microsecondsPerMebibyte = 0;
        for (int run = 0; run < Runs; run++)
        {
            long start = Stopwatch.GetTimestamp();
            if (TryProvide(address, bytes, step) is { } whyNot)
                return whyNot;

            times[run] = Stopwatch.GetElapsedTime(start).TotalMicroseconds / (bytes >> 20);
            os.Decommit(address, bytes);
        }

        Array.Sort(times);
        microsecondsPerMebibyte = times[Runs / 2];
        return null;
    }

    private string? TryProvide(nint address, nuint bytes, PrefaultStep step)
    {
        if (!os.TryPrepare(address, bytes, step, out PrefaultFailure failure))
            return failure.Reason;

        if (!os.TryPopulate(address, bytes, step, out failure))
        {
            os.Decommit(address, bytes);
            return failure.Reason;
        }

        return null;
    }
}

/// <summary>
/// What the kernel alone takes for a large prewarm on transparent huge pages: one mmap and two calls of madvise,
/// without the engine. The engine's own figures are held against it.
/// </summary>
internal sealed unsafe class BareKernel : IDisposable
{
    private const int ReadWrite = 3;
    private const int PrivateAnonymousNoReserve = 0x2 | 0x20 | 0x4000;
    private const int HugePage = 14;
    private const int PopulateWrite = 23;

    private readonly SystemLibraries _library = new();

    public void Dispose() => _library.Dispose();

    /// <returns>Milliseconds, or a negative number where the kernel refused.</returns>
    public double Prewarm(nuint bytes)
    {
        var map = (delegate* unmanaged<nint, nuint, int, int, int, nint, nint>)_library.GetProcAddress("mmap");
        var unmap = (delegate* unmanaged<nint, nuint, int>)_library.GetProcAddress("munmap");
        var advise = (delegate* unmanaged<nint, nuint, int, int>)_library.GetProcAddress("madvise");
        long start = Stopwatch.GetTimestamp();
        nint mapped = map(0, bytes + Measurement.SuperSlabBytes, ReadWrite, PrivateAnonymousNoReserve, -1, 0);
        if (mapped == -1)
            return -1;

        nint aligned = (nint)(((nuint)mapped + Measurement.SuperSlabBytes - 1) & ~(Measurement.SuperSlabBytes - 1));
        bool done = advise(aligned, bytes, HugePage) == 0 && advise(aligned, bytes, PopulateWrite) == 0;
        double milliseconds = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
        _ = unmap(mapped, bytes + Measurement.SuperSlabBytes);
        return done ? milliseconds : -1;
    }
}
