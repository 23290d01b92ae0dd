using System.Diagnostics;
using System.Runtime.InteropServices;
using Silk.NET.Core.Contexts;

namespace SuperSlab;

/// <summary>The system calls that the engine makes by number, because C libraries have no function for them.</summary>
internal enum LinuxCall
{
    Futex,
    MemoryBind,
    PerfEventOpen,
    RingSetup,
    RingRegister,
}

/// <summary>One system call of Linux on this processor, through the C library's syscall().</summary>
internal readonly unsafe struct LinuxSystemCall
{
    // From the kernel's arch/x86/entry/syscalls, arch/arm/tools/syscall.tbl and include/uapi/asm-generic/unistd.h.
    private static readonly Row[] s_rows =
    [
        //  call                    x64  arm64, riscv64, loongarch64  x86  arm
        new(LinuxCall.Futex,         202, 98,                          240, 240),
        new(LinuxCall.MemoryBind,    237, 235,                         274, 319),
        new(LinuxCall.PerfEventOpen, 298, 241,                         336, 364),
        new(LinuxCall.RingSetup,     425, 425,                         425, 425),
        new(LinuxCall.RingRegister,  427, 427,                         427, 427),
    ];

    private readonly delegate* unmanaged<nint, nint, nint, nint, nint, nint, nint, nint> _syscall;
    private readonly int? _number;

    public LinuxSystemCall(INativeContext context, LinuxCall call)
    {
        _syscall = (delegate* unmanaged<nint, nint, nint, nint, nint, nint, nint, nint>)context.Find("syscall");
        _number = ThisPlatform.IsLinux ? NumberOf(call, RuntimeInformation.ProcessArchitecture) : null;
    }

    /// <summary>Whether this is Linux, on a processor in the table, with a C library that has syscall().</summary>
    public bool IsAvailable => _number is not null && _syscall != null;

    /// <summary>The number of a call; null where the table has no column for the processor.</summary>
    public static int? NumberOf(LinuxCall call, Architecture processor)
    {
        Row row = s_rows[(int)call];
        Debug.Assert(row.Call == call, "Rows stand in the order of the enum.");
        return processor switch
        {
            Architecture.X64 => row.X64,
            Architecture.Arm64 or Architecture.RiscV64 or Architecture.LoongArch64 => row.Generic,
            Architecture.X86 => row.X86,
            Architecture.Arm => row.Arm,
            _ => null,
        };
    }

    /// <summary>Makes the call, which must be available. Returns -1 on failure, with the error in errno.</summary>
    public nint Invoke(nint first, nint second = 0, nint third = 0, nint fourth = 0, nint fifth = 0, nint sixth = 0)
    {
        Debug.Assert(IsAvailable, "The caller asks first.");
        return _syscall(_number.GetValueOrDefault(), first, second, third, fourth, fifth, sixth);
    }

    private readonly record struct Row(LinuxCall Call, int X64, int Generic, int X86, int Arm);
}
