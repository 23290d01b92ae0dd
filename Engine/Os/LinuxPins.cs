using System.Diagnostics;
using System.Runtime.InteropServices;
using Silk.NET.Core.Contexts;

namespace SuperSlab;

/// <summary>
/// Pins pages: registers them as buffers of an io_uring that nobody submits to. The kernel takes such pins for
/// transfers that may come at any time, so it neither moves the pages nor takes them back. Any thread.
/// </summary>
/// <remarks>
/// One pin is at most a SuperSlab, cut at multiples of its size, so that a trim undoes whole pins; where a range covers
/// a part of one, the rest is pinned anew. The ring exists while there are pins. See io_uring_register(2); a table of
/// empty buffers that is filled later needs Linux 5.13.
/// </remarks>
internal sealed unsafe class LinuxPins(INativeContext context, LinuxFiles files, Func<bool, int> counted)
{
    /// <summary>The most buffers of a ring (IORING_MAX_REG_BUFFERS).</summary>
    public const int MostPins = 1 << 14;

    private const nuint MostPinBytes = 2 << 20;
    private const int TableIsFull = 28; // ENOSPC
    private const int RegisterBuffers = 15; // IORING_REGISTER_BUFFERS2
    private const int UpdateBuffers = 16; // IORING_REGISTER_BUFFERS_UPDATE
    private const int RingParameterBytes = 120; // struct io_uring_params
    private const int RequestBytes = 32; // io_uring_rsrc_register, io_uring_rsrc_update2

    private readonly LinuxSystemCall _setup = new(context, LinuxCall.RingSetup);
    private readonly LinuxSystemCall _register = new(context, LinuxCall.RingRegister);
    private readonly Lock _lock = new();

    /// <summary>Ascending and disjoint.</summary>
    private readonly List<Pin> _pins = [];
    private bool[] _takenSlots = [];
    private volatile int _count;
    private int _ring = -1;

    /// <summary>Pins what is not pinned yet of a populated range.</summary>
    /// <returns>0, or the error, and then nothing has changed.</returns>
    public int TryPin(nint address, nuint bytes)
    {
        if (!_setup.IsAvailable)
            return Errno.NotImplementedOnLinux;

        lock (_lock)
        {
            int errno = OpenRing();
            List<Pin> wanted = errno == Errno.None ? Unpinned(address, bytes) : [];
            int done = 0;
            while (errno == Errno.None && done < wanted.Count)
                errno = Register(wanted, ref done);

            if (errno != Errno.None)
                _ = Unregister(wanted[..done]);

            CloseUnusedRing();
            return errno;
        }
    }

    /// <summary>Ends the pins of a range, before its pages are given back or moved.</summary>
    /// <returns>0, or the error, and then some of the range may be pinned.</returns>
    public int Unpin(nint address, nuint bytes)
    {
        if (_count == 0)
            return Errno.None;

        lock (_lock)
        {
            int first = FirstFrom(address);
            int end = FirstFrom(address + (nint)bytes);
            end += end < _pins.Count && _pins[end].Address < address + (nint)bytes ? 1 : 0;
            if (first == end)
                return Errno.None;

            (nint head, nint tail) = (_pins[first].Address, _pins[end - 1].End);
            int errno = Unregister(_pins[first..end]);
            if (errno == Errno.None)
                PinRest(head, address, address + (nint)bytes, tail);

            CloseUnusedRing();
            return errno;
        }
    }

    /// <summary>Whether a part of the range is pinned.</summary>
    public bool Overlap(nint address, nuint bytes)
    {
        if (_count == 0)
            return false;

        lock (_lock)
        {
            int first = FirstFrom(address);
            return first < _pins.Count && _pins[first].Address < address + (nint)bytes;
        }
    }

    /// <summary>Pins anew what pins covered before and behind a range. A refusal leaves it unpinned.</summary>
    private void PinRest(nint head, nint start, nint end, nint tail)
    {
        List<Pin> rest = [];
        if (head < start)
            rest.AddRange(Unpinned(head, (nuint)(start - head)));

        if (end < tail)
            rest.AddRange(Unpinned(end, (nuint)(tail - end)));

        int done = 0;
        while (done < rest.Count && Register(rest, ref done) == Errno.None)
        {
        }
    }

    /// <summary>The index of the first pin that ends behind an address.</summary>
    private int FirstFrom(nint address)
    {
        int low = 0;
        int high = _pins.Count;
        while (low < high)
        {
            int middle = (low + high) / 2;
            (low, high) = _pins[middle].End <= address ? (middle + 1, high) : (low, middle);
        }

        return low;
    }

    /// <summary>The parts of a range without a pin, each within one SuperSlab; they have no slots yet.</summary>
    private List<Pin> Unpinned(nint address, nuint bytes)
    {
        List<Pin> parts = [];
        nint end = address + (nint)bytes;
        int next = FirstFrom(address);
        while (address < end)
        {
            bool isPinned = next < _pins.Count && _pins[next].Address <= address;
            nint limit = isPinned ? _pins[next++].End
                : Math.Min((nint)Sizes.AlignUp((nuint)address + 1, MostPinBytes), NextPinned(next, end));
            if (!isPinned)
                parts.Add(new Pin(address, (nuint)(limit - address), -1));

            address = limit;
        }

        return parts;
    }

    private nint NextPinned(int next, nint end) => next < _pins.Count ? Math.Min(_pins[next].Address, end) : end;

    /// <summary>Registers the next wanted pins, as many as find slots side by side.</summary>
    private int Register(List<Pin> wanted, ref int done)
    {
        int slot = Array.IndexOf(_takenSlots, false);
        if (slot < 0)
            return TableIsFull;

        int count = 1;
        while (done + count < wanted.Count && slot + count < MostPins && !_takenSlots[slot + count])
            count++;

        int errno = Update(slot, CollectionsMarshal.AsSpan(wanted).Slice(done, count), out int updated);
        for (int index = done; index < done + updated; index++, slot++)
        {
            _takenSlots[slot] = true;
            wanted[index] = wanted[index] with { Slot = slot };
            _pins.Insert(FirstFrom(wanted[index].Address), wanted[index]);
        }

        done += updated;
        _count = _pins.Count;
        return errno;
    }

    /// <summary>Ends pins, which may lie anywhere; those that the kernel refused to end stay known.</summary>
    private int Unregister(List<Pin> pins)
    {
        int errno = Errno.None;
        for (int first = 0; first < pins.Count;)
        {
            int count = 1;
            while (first + count < pins.Count && pins[first + count].Slot == pins[first].Slot + count)
                count++;

            Pin[] empty = new Pin[count];
            int error = Update(pins[first].Slot, empty, out int updated);
            errno = error == Errno.None ? errno : error;
            for (int index = first; index < first + updated; index++)
            {
                _takenSlots[pins[index].Slot] = false;
                _pins.RemoveAt(FirstFrom(pins[index].Address));
            }

            first += count;
        }

        _count = _pins.Count;
        return errno;
    }

    /// <summary>Replaces the buffers of neighbouring slots; after an early stop the next call says why.</summary>
    private int Update(int slot, ReadOnlySpan<Pin> buffers, out int updated)
    {
        nuint* vectors = (nuint*)NativeMemory.Alloc((nuint)buffers.Length, 2 * (nuint)sizeof(nuint));
        for (int index = 0; index < buffers.Length; index++)
        {
            vectors[2 * index] = (nuint)buffers[index].Address;
            vectors[(2 * index) + 1] = buffers[index].Bytes;
        }

        ulong* update = stackalloc ulong[RequestBytes / sizeof(ulong)];
        int errno = Errno.None;
        updated = 0;
        while (errno == Errno.None && updated < buffers.Length)
        {
            update[0] = (uint)(slot + updated);
            update[1] = (ulong)(vectors + (2 * updated));
            update[2] = 0;
            update[3] = (uint)(buffers.Length - updated);
            nint result = _register.Invoke(_ring, UpdateBuffers, (nint)update, RequestBytes);
            errno = counted(result > 0);
            updated += (int)Math.Max(result, 0);
        }

        NativeMemory.Free(vectors);
        return errno;
    }

    private int OpenRing()
    {
        if (_ring >= 0)
            return Errno.None;

        byte* parameters = stackalloc byte[RingParameterBytes];
        new Span<byte>(parameters, RingParameterBytes).Clear();
        _ring = (int)_setup.Invoke(1, (nint)parameters);
        int errno = counted(_ring >= 0);
        if (errno != Errno.None)
            return errno;

        _takenSlots = new bool[MostPins];
        nuint* empty = (nuint*)NativeMemory.AllocZeroed(MostPins, 2 * (nuint)sizeof(nuint));
        ulong* table = stackalloc ulong[RequestBytes / sizeof(ulong)];
        table[0] = MostPins;
        table[1] = 0;
        table[2] = (ulong)empty;
        table[3] = 0;
        errno = counted(_register.Invoke(_ring, RegisterBuffers, (nint)table, RequestBytes) >= 0);
        NativeMemory.Free(empty);
        return errno;
    }

    private void CloseUnusedRing()
    {
        if (_ring >= 0 && _pins.Count == 0)
        {
            files.Close(_ring);
            _ring = -1;
        }
    }

    /// <summary>A buffer of the ring.</summary>
    private readonly record struct Pin(nint Address, nuint Bytes, int Slot)
    {
        public nint End => Address + (nint)Bytes;
    }
}
