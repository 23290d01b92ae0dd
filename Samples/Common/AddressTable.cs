using System.Runtime.CompilerServices;

namespace Samples.Common;

/// <summary>
/// The addresses of the live blocks by slot. It is written through once when it is made, so using it in the timed part faults in
/// nothing: what is measured is the allocator, not the sample's own bookkeeping.
/// </summary>
public sealed unsafe class AddressTable
{
    private readonly nint[] _addresses;

    /// <summary>Makes a table of that many slots.</summary>
    public AddressTable(int slots)
    {
        _addresses = GC.AllocateArray<nint>(Math.Max(slots, 1), pinned: true);
        _addresses.AsSpan().Clear();
        First = (void**)Unsafe.AsPointer(ref _addresses[0]);
    }

    /// <summary>The entry of slot 0.</summary>
    public void** First { get; }
}
