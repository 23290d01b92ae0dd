using System.Numerics;
using System.Runtime.InteropServices;
using Silk.NET.Core.Contexts;

namespace Engine.Platform;

/// <summary>
/// One perf event, "page-faults of this thread", with its ring. See perf_event_open(2). The mapping is one control page and
/// then the ring:
///
///   control page: data_head at byte 1024 (the kernel writes), data_tail at byte 1032 (we write)
///   ring:         records of { u32 type, u16 misc, u16 size, ... }; a sample is 16 bytes, the last 8 its address
/// </summary>
internal sealed unsafe class PerfEvent : IDisposable
{
    private const int AttributeBytes = 112; // PERF_ATTR_SIZE_VER5
    private const int SampleBytes = 16;
    private const int HeadOffset = 1024;
    private const int TailOffset = 1032;
    private const uint LostRecord = 2;
    private const uint SampleRecord = 9;
    private const int IoctlEnable = 0x2400;
    private const int IoctlDisable = 0x2401;
    private const int IoctlReset = 0x2403;

    private readonly Functions _os;
    private readonly int _file;
    private readonly byte* _control;
    private readonly byte* _ring;
    private readonly nuint _ringBytes;
    private readonly nuint _mappedBytes;

    private PerfEvent(Functions os, int file, nint mapped, nuint mappedBytes, nuint pageBytes)
    {
        _os = os;
        _file = file;
        _control = (byte*)mapped;
        _mappedBytes = mappedBytes;
        _ring = _control + pageBytes;
        _ringBytes = mappedBytes - pageBytes;

        // Neither the ring nor the control page may fault in the window that is observed.
        for (nuint offset = 0; offset < mappedBytes; offset += pageBytes)
        {
            _ = Volatile.Read(ref _control[offset]);
        }

        Volatile.Write(ref *(ulong*)(_control + TailOffset), 0);
    }

    public long LostCount { get; private set; }

    /// <summary>An event for the calling thread, disabled; null when it is not to be had, with the reason.</summary>
    public static PerfEvent? TryOpen(int capacity, out string reason)
    {
        int number = RuntimeInformation.ProcessArchitecture switch
        {
            Architecture.X64 => 298,
            Architecture.Arm64 or Architecture.RiscV64 or Architecture.LoongArch64 => 241,
            _ => 0,
        };
        if (!ThisPlatform.HasPerfEvents || number == 0)
        {
            reason = "recording faults needs perf_event_open, which is known here for 64-bit Linux only";
            return null;
        }

        var os = new Functions(new SystemLibraries());
        if (!os.IsComplete)
        {
            reason = "the C library lacks syscall, mmap, ioctl or read";
            return null;
        }

        byte* attribute = stackalloc byte[AttributeBytes];
        new Span<byte>(attribute, AttributeBytes).Clear();
        *(uint*)attribute = 1; // type: software
        *(uint*)(attribute + 4) = AttributeBytes;
        *(ulong*)(attribute + 8) = 2; // config: page-faults
        *(ulong*)(attribute + 16) = 1; // sample_period: every one
        *(ulong*)(attribute + 24) = 1 << 3; // sample_type: address
        *(ulong*)(attribute + 40) = 1 | (1 << 5) | (1 << 6); // disabled, exclude_kernel, exclude_hv

        const nint CloseOnExec = 8;
        int file = (int)os.Syscall(number, (nint)attribute, 0, -1, -1, CloseOnExec);
        if (file < 0)
        {
            reason = Errno.Describe("perf_event_open", Marshal.GetLastSystemError()) + "; see /proc/sys/kernel/perf_event_paranoid";
            return null;
        }

        nuint pageBytes = (nuint)Environment.SystemPageSize;
        nuint ringBytes = nuint.Max(pageBytes, (nuint)BitOperations.RoundUpToPowerOf2((uint)capacity) * SampleBytes);
        nint mapped = os.Mmap(0, pageBytes + ringBytes, 3, 1, file, 0); // read and write, shared
        if (mapped == -1)
        {
            reason = Errno.Describe("mmap of the ring", Marshal.GetLastSystemError()) + "; see /proc/sys/kernel/perf_event_mlock_kb";
            _ = os.Close(file);
            return null;
        }

        reason = "available";
        return new PerfEvent(os, file, mapped, pageBytes + ringBytes, pageBytes);
    }

    public void Enable() => _ = _os.Ioctl(_file, IoctlEnable, 0);

    public void Disable() => _ = _os.Ioctl(_file, IoctlDisable, 0);

    public void Reset()
    {
        _ = _os.Ioctl(_file, IoctlReset, 0);
        LostCount = 0;
    }

    public long ReadCount()
    {
        long count = 0;
        return _os.Read(_file, &count, sizeof(long)) == sizeof(long) ? count : 0;
    }

    /// <summary>The oldest recorded address; false when there is none.</summary>
    public bool TryTake(out nuint address)
    {
        ulong head = Volatile.Read(ref *(ulong*)(_control + HeadOffset));
        ulong tail = *(ulong*)(_control + TailOffset);
        while (tail < head)
        {
            uint type = (uint)At(tail);
            ushort size = (ushort)(At(tail) >> 48);
            ulong record = tail;
            tail += size;
            if (type == SampleRecord)
            {
                address = (nuint)At(record + 8);
                Volatile.Write(ref *(ulong*)(_control + TailOffset), tail);
                return true;
            }

            if (type == LostRecord)
            {
                LostCount += (long)At(record + 16); // { header, id, lost }
            }
        }

        Volatile.Write(ref *(ulong*)(_control + TailOffset), tail);
        address = 0;
        return false;
    }

    public void Dispose()
    {
        _ = _os.Munmap((nint)_control, _mappedBytes);
        _ = _os.Close(_file);
    }

    /// <summary>Records are multiples of 8 bytes, so no 64-bit word wraps around.</summary>
    private ulong At(ulong position) => *(ulong*)(_ring + ((nuint)position & (_ringBytes - 1)));

    /// <summary>The C library's functions that an event needs.</summary>
    private sealed class Functions(INativeContext context)
    {
        public readonly delegate* unmanaged<nint, nint, nint, nint, nint, nint, nint> Syscall =
            (delegate* unmanaged<nint, nint, nint, nint, nint, nint, nint>)Optional(context, "syscall");

        public readonly delegate* unmanaged<nint, nuint, int, int, int, nint, nint> Mmap =
            (delegate* unmanaged<nint, nuint, int, int, int, nint, nint>)Optional(context, "mmap");

        public readonly delegate* unmanaged<nint, nuint, int> Munmap = (delegate* unmanaged<nint, nuint, int>)Optional(context, "munmap");

        public readonly delegate* unmanaged<int, nuint, nint, int> Ioctl = (delegate* unmanaged<int, nuint, nint, int>)Optional(context, "ioctl");

        public readonly delegate* unmanaged<int, void*, nuint, nint> Read =
            (delegate* unmanaged<int, void*, nuint, nint>)Optional(context, "read");

        public readonly delegate* unmanaged<int, int> Close = (delegate* unmanaged<int, int>)Optional(context, "close");

        public bool IsComplete => Syscall != null && Mmap != null && Munmap != null && Ioctl != null && Read != null && Close != null;

        private static nint Optional(INativeContext context, string name) => context.TryGetProcAddress(name, out nint address) ? address : 0;
    }
}
