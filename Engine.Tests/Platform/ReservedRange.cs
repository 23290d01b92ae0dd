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
        Assert.That(os.TryReserve(bytes, alignment, out nint address), Is.True, "the reservation must succeed");
        Address = address;
    }

    public nint Address { get; }

    public nuint Bytes { get; }

    public unsafe void Write(nuint offset, byte value) => ((byte*)Address)[offset] = value;

    public unsafe byte Read(nuint offset) => ((byte*)Address)[offset];

    public void WriteEveryPage(byte value) => WriteEveryPage(0, Bytes, value);

    public void WriteEveryPage(nuint offset, nuint bytes, byte value)
    {
        for (nuint end = offset + bytes; offset < end; offset += _os.Facts.PageBytes)
        {
            Write(offset, value);
        }
    }

    public void Dispose() => _os.Release(Address, Bytes);
}
