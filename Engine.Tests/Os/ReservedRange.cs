using System.Runtime.CompilerServices;
using Engine.Tests.Support;

namespace Engine.Tests.Os;

/// <summary>A reservation that a test gives back by `using`.</summary>
internal sealed class ReservedRange : IDisposable
{
    private readonly VirtualMemory _os;

    public ReservedRange(VirtualMemory os, nuint bytes, nuint alignment = 2 << 20)
    {
        _os = os;
        Bytes = bytes;
        bool isReserved = os.TryReserve(bytes, alignment, out nint address);
        Assume.That(
            isReserved || os.Facts.AddressSpaceLimitBytes == nuint.MaxValue,
            "the limit of address space has no room for this test");
        Assert.That(isReserved, Is.True, "the reservation must succeed");
        Address = address;
    }

    public nint Address { get; }

    public nuint Bytes { get; }

    public unsafe void Write(nuint offset, byte value) => ((byte*)Address)[offset] = value;

    public unsafe byte Read(nuint offset) => ((byte*)Address)[offset];

    public void WriteEveryPage(byte value) => WriteEveryPage(0, Bytes, value);

    public unsafe void WriteEveryPage(nuint offset, nuint bytes, byte value) =>
        Write((byte*)Address + offset, bytes, _os.Facts.PageBytes, value);

    /// <summary>The counted write pass: how many faults does a write to every page take?</summary>
    public long FaultsOfWritingEveryPage(byte value = 1) => FaultsOfWritingEveryPage(0, Bytes, value);

    public unsafe long FaultsOfWritingEveryPage(nuint offset, nuint bytes, byte value = 1)
    {
        // Code faults by itself when it runs for the first time, a page of it at a time: all of it runs before it
        // counts.
        byte scratch;
        for (int i = 0; i < 3; i++)
            _ = Count(&scratch, 1, 1, value);

        return Count((byte*)Address + offset, bytes, _os.Facts.PageBytes, value);
    }

    public void Dispose() => _os.Release(Address, Bytes);

    private static unsafe long Count(byte* address, nuint bytes, nuint step, byte value)
    {
        (long inRange, long elsewhere) = Faults.Of((nint)address, bytes, () => Write(address, bytes, step, value));
        return Faults.HaveAddresses ? inRange : elsewhere;
    }

    /// <summary>Compiled once and for all: a loop that is recompiled while it runs takes faults that are not its
    /// own.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static unsafe void Write(byte* address, nuint bytes, nuint step, byte value)
    {
        for (nuint offset = 0; offset < bytes; offset += step)
            address[offset] = value;
    }
}
