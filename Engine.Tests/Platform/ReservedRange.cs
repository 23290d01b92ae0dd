using System.Runtime.CompilerServices;
using Engine.Platform;

namespace Engine.Tests.Platform;

/// <summary>A reservation that a test gives back by `using`.</summary>
internal sealed class ReservedRange : IDisposable
{
    private readonly VirtualMemory _os;

    public ReservedRange(VirtualMemory os, nuint bytes, nuint alignment = 2 << 20)
    {
        _os = os;
        Bytes = bytes;
        bool isReserved = os.TryReserve(bytes, alignment, out nint address);
        Assume.That(isReserved || os.Facts.AddressSpaceLimitBytes == nuint.MaxValue, "the limit of address space has no room for this test");
        Assert.That(isReserved, Is.True, "the reservation must succeed");
        Address = address;
    }

    public nint Address { get; }

    public nuint Bytes { get; }

    public unsafe void Write(nuint offset, byte value) => ((byte*)Address)[offset] = value;

    public unsafe byte Read(nuint offset) => ((byte*)Address)[offset];

    public void WriteEveryPage(byte value) => WriteEveryPage(0, Bytes, value);

    /// <summary>Compiled once and for all: a loop that is recompiled while it runs takes faults that are not its own.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public unsafe void WriteEveryPage(nuint offset, nuint bytes, byte value)
    {
        nuint page = _os.Facts.PageBytes;
        for (nuint end = offset + bytes; offset < end; offset += page)
        {
            ((byte*)Address)[offset] = value;
        }
    }

    /// <summary>The counted write pass: how many faults does a write to every page take?</summary>
    public long FaultsOfWritingEveryPage(byte value = 1) => FaultsOfWritingEveryPage(0, Bytes, value);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public long FaultsOfWritingEveryPage(nuint offset, nuint bytes, byte value = 1)
    {
        // Code that runs for the first time faults by itself.
        WriteEveryPage(offset, 0, value);
        for (int i = 0; i < 3; i++)
        {
            _ = PageFaults.OfThread();
        }

        long before = PageFaults.OfThread();
        WriteEveryPage(offset, bytes, value);
        long taken = PageFaults.OfThread() - before;
        return Machine.IsEmulated && taken <= 8 ? 0 : taken;
    }

    public void Dispose() => _os.Release(Address, Bytes);
}
