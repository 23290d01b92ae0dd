using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace SuperSlab.Interop;

/// <content>
/// The functions of each binding. C hands them nothing to tell one allocator from another, and a function for C
/// cannot be
/// generic: so each binding has its own, all alike.
/// </content>
internal static unsafe partial class NativeBindings
{
    private static PlainFunctions FunctionsOf(int binding) => binding switch
    {
        0 => new()
        {
            Allocate = &Allocate0,
            AllocateZeroed = &Zeroed0,
            Reallocate = &Reallocate0,
            Free = &Free0,
            ReallocateSized = &ReallocateSized0,
            FreeSized = &FreeSized0,
        },
        1 => new()
        {
            Allocate = &Allocate1,
            AllocateZeroed = &Zeroed1,
            Reallocate = &Reallocate1,
            Free = &Free1,
            ReallocateSized = &ReallocateSized1,
            FreeSized = &FreeSized1,
        },
        2 => new()
        {
            Allocate = &Allocate2,
            AllocateZeroed = &Zeroed2,
            Reallocate = &Reallocate2,
            Free = &Free2,
            ReallocateSized = &ReallocateSized2,
            FreeSized = &FreeSized2,
        },
        3 => new()
        {
            Allocate = &Allocate3,
            AllocateZeroed = &Zeroed3,
            Reallocate = &Reallocate3,
            Free = &Free3,
            ReallocateSized = &ReallocateSized3,
            FreeSized = &FreeSized3,
        },
        4 => new()
        {
            Allocate = &Allocate4,
            AllocateZeroed = &Zeroed4,
            Reallocate = &Reallocate4,
            Free = &Free4,
            ReallocateSized = &ReallocateSized4,
            FreeSized = &FreeSized4,
        },
        5 => new()
        {
            Allocate = &Allocate5,
            AllocateZeroed = &Zeroed5,
            Reallocate = &Reallocate5,
            Free = &Free5,
            ReallocateSized = &ReallocateSized5,
            FreeSized = &FreeSized5,
        },
        6 => new()
        {
            Allocate = &Allocate6,
            AllocateZeroed = &Zeroed6,
            Reallocate = &Reallocate6,
            Free = &Free6,
            ReallocateSized = &ReallocateSized6,
            FreeSized = &FreeSized6,
        },
        _ => new()
        {
            Allocate = &Allocate7,
            AllocateZeroed = &Zeroed7,
            Reallocate = &Reallocate7,
            Free = &Free7,
            ReallocateSized = &ReallocateSized7,
            FreeSized = &FreeSized7,
        },
    };

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void* Allocate0(nuint bytes) => Allocate(0, bytes);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void* Zeroed0(nuint count, nuint bytes) => AllocateZeroed(0, count, bytes);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void* Reallocate0(void* block, nuint bytes) => Reallocate(0, block, bytes);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void Free0(void* block) => s_bound[0]?.Free(block);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void* ReallocateSized0(void* block, nuint old, nuint bytes) => Reallocate(0, block, bytes);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void FreeSized0(void* block, nuint bytes) => s_bound[0]?.Free(block);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void* Allocate1(nuint bytes) => Allocate(1, bytes);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void* Zeroed1(nuint count, nuint bytes) => AllocateZeroed(1, count, bytes);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void* Reallocate1(void* block, nuint bytes) => Reallocate(1, block, bytes);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void Free1(void* block) => s_bound[1]?.Free(block);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void* ReallocateSized1(void* block, nuint old, nuint bytes) => Reallocate(1, block, bytes);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void FreeSized1(void* block, nuint bytes) => s_bound[1]?.Free(block);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void* Allocate2(nuint bytes) => Allocate(2, bytes);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void* Zeroed2(nuint count, nuint bytes) => AllocateZeroed(2, count, bytes);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void* Reallocate2(void* block, nuint bytes) => Reallocate(2, block, bytes);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void Free2(void* block) => s_bound[2]?.Free(block);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void* ReallocateSized2(void* block, nuint old, nuint bytes) => Reallocate(2, block, bytes);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void FreeSized2(void* block, nuint bytes) => s_bound[2]?.Free(block);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void* Allocate3(nuint bytes) => Allocate(3, bytes);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void* Zeroed3(nuint count, nuint bytes) => AllocateZeroed(3, count, bytes);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void* Reallocate3(void* block, nuint bytes) => Reallocate(3, block, bytes);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void Free3(void* block) => s_bound[3]?.Free(block);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void* ReallocateSized3(void* block, nuint old, nuint bytes) => Reallocate(3, block, bytes);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void FreeSized3(void* block, nuint bytes) => s_bound[3]?.Free(block);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void* Allocate4(nuint bytes) => Allocate(4, bytes);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void* Zeroed4(nuint count, nuint bytes) => AllocateZeroed(4, count, bytes);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void* Reallocate4(void* block, nuint bytes) => Reallocate(4, block, bytes);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void Free4(void* block) => s_bound[4]?.Free(block);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void* ReallocateSized4(void* block, nuint old, nuint bytes) => Reallocate(4, block, bytes);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void FreeSized4(void* block, nuint bytes) => s_bound[4]?.Free(block);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void* Allocate5(nuint bytes) => Allocate(5, bytes);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void* Zeroed5(nuint count, nuint bytes) => AllocateZeroed(5, count, bytes);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void* Reallocate5(void* block, nuint bytes) => Reallocate(5, block, bytes);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void Free5(void* block) => s_bound[5]?.Free(block);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void* ReallocateSized5(void* block, nuint old, nuint bytes) => Reallocate(5, block, bytes);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void FreeSized5(void* block, nuint bytes) => s_bound[5]?.Free(block);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void* Allocate6(nuint bytes) => Allocate(6, bytes);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void* Zeroed6(nuint count, nuint bytes) => AllocateZeroed(6, count, bytes);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void* Reallocate6(void* block, nuint bytes) => Reallocate(6, block, bytes);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void Free6(void* block) => s_bound[6]?.Free(block);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void* ReallocateSized6(void* block, nuint old, nuint bytes) => Reallocate(6, block, bytes);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void FreeSized6(void* block, nuint bytes) => s_bound[6]?.Free(block);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void* Allocate7(nuint bytes) => Allocate(7, bytes);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void* Zeroed7(nuint count, nuint bytes) => AllocateZeroed(7, count, bytes);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void* Reallocate7(void* block, nuint bytes) => Reallocate(7, block, bytes);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void Free7(void* block) => s_bound[7]?.Free(block);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void* ReallocateSized7(void* block, nuint old, nuint bytes) => Reallocate(7, block, bytes);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void FreeSized7(void* block, nuint bytes) => s_bound[7]?.Free(block);
}
