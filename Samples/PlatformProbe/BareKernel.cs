using System.Diagnostics;
using SuperSlab;

namespace PlatformProbe;

/// <summary>
/// What the kernel alone takes for a large prewarm on transparent huge pages: one mmap and two calls of madvise, without the engine.
/// The engine's own figures are held against it.
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
        {
            return -1;
        }

        nint aligned = (nint)(((nuint)mapped + Measurement.SuperSlabBytes - 1) & ~(Measurement.SuperSlabBytes - 1));
        bool done = advise(aligned, bytes, HugePage) == 0 && advise(aligned, bytes, PopulateWrite) == 0;
        double milliseconds = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
        _ = unmap(mapped, bytes + Measurement.SuperSlabBytes);
        return done ? milliseconds : -1;
    }
}
