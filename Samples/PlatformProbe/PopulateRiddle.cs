using System.Diagnostics;
using Samples.Common;
using SuperSlab;

namespace PlatformProbe;

/// <summary>
/// "MAP_POPULATE does not work", shown in its three forms on Linux, with bare mmap, mprotect and munmap: the flag
/// works; it does nothing when the mapping may not be written at that moment, which is how an allocator that reserves
/// first calls it; and a mapping that is made larger in order to be aligned populates what is then thrown away.
/// </summary>
internal sealed unsafe class PopulateRiddle(Measurement measurement, nuint pageBytes) : IDisposable
{
    private const int ReadWrite = 3;
    private const int PrivateAnonymousPopulate = 0x2 | 0x20 | 0x8000;
    private const nuint Bytes = Measurement.SuperSlabBytes;

    private readonly SystemLibraries _library = new();

    public void Dispose() => _library.Dispose();
    public IReadOnlyList<RiddleRow> Run() => [Plain(), ReservedFirst(), OverMapped()];

    private RiddleRow Plain()
    {
        long start = Stopwatch.GetTimestamp();
        nint mapped = Map(Bytes, ReadWrite);
        double time = MicrosecondsPerMebibyte(start);
        long faults = measurement.FaultsOfWritePass(mapped, Bytes);
        Unmap(mapped, Bytes);
        return Row("mmap(read and write, MAP_POPULATE)", time, faults, "works");
    }

    private RiddleRow ReservedFirst()
    {
        long start = Stopwatch.GetTimestamp();
        nint mapped = Map(Bytes, protection: 0);
        var protect = (delegate* unmanaged<nint, nuint, int, int>)_library.GetProcAddress("mprotect");
        _ = protect(mapped, Bytes, ReadWrite);
        double time = MicrosecondsPerMebibyte(start);
        long faults = measurement.FaultsOfWritePass(mapped, Bytes);
        Unmap(mapped, Bytes);
        return Row(
            "mmap(no access, MAP_POPULATE), then mprotect", time, faults, "populates nothing, and does not say so");
    }

    private RiddleRow OverMapped()
    {
        long start = Stopwatch.GetTimestamp();
        long before = PageFaults.OfThread();
        nint mapped = Map(2 * Bytes, ReadWrite);
        long populated = PageFaults.OfThread() - before;
        nuint aligned = ((nuint)mapped + Bytes - 1) & ~(Bytes - 1);
        nuint head = aligned - (nuint)mapped;
        if (head != 0)
            Unmap(mapped, head);

        Unmap((nint)(aligned + Bytes), Bytes - head);
        double time = MicrosecondsPerMebibyte(start);
        long faults = measurement.FaultsOfWritePass((nint)aligned, Bytes);
        Unmap((nint)aligned, Bytes);
        return Row(
            "twice as much with MAP_POPULATE, cut to an aligned half",
            time,
            faults,
            $"works, but 4 MiB were populated for 2 ({FigureText.Count(populated, "kernel fault")})");
    }

    private RiddleRow Row(string form, double time, long faults, string meaning) =>
        new(form, time, faults, (long)(Bytes / pageBytes), meaning);

    private nint Map(nuint bytes, int protection)
    {
        var map = (delegate* unmanaged<nint, nuint, int, int, int, nint, nint>)_library.GetProcAddress("mmap");
        nint mapped = map(0, bytes, protection, PrivateAnonymousPopulate, -1, 0);
        return mapped != -1 ? mapped : throw new InvalidOperationException("mmap was refused.");
    }

    private void Unmap(nint address, nuint bytes)
    {
        var unmap = (delegate* unmanaged<nint, nuint, int>)_library.GetProcAddress("munmap");
        _ = unmap(address, bytes);
    }

    private static double MicrosecondsPerMebibyte(long start) =>
        Stopwatch.GetElapsedTime(start).TotalMicroseconds / (Bytes >> 20);
}
