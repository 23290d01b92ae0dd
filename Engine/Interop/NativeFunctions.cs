using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace SuperSlab.Interop;

/// <summary>
/// Functions for C hooks that hand back a user data: <see cref="NativeAllocator.UserData"/> says which allocator is
/// meant. Each returns null where memory or a budget ends, and none throws. Hot-loop safe. Any thread.
/// </summary>
public static unsafe class NativeFunctions
{
    /// <summary>(user data, bytes): a block. ZSTD_allocFunction.</summary>
    public static delegate* unmanaged[Cdecl]<nint, nuint, void*> Allocate => &AllocateBlock;

    /// <summary>(user data, items, bytes of each): a block. zlib's alloc_func.</summary>
    public static delegate* unmanaged[Cdecl]<nint, uint, uint, void*> AllocateItems => &AllocateItemsBlock;

    /// <summary>(user data, block): frees it. ZSTD_freeFunction, zlib's free_func, Vulkan's
    /// PFN_vkFreeFunction.</summary>
    public static delegate* unmanaged[Cdecl]<nint, void*, void> Free => &FreeBlock;

    /// <summary>(user data, block, old bytes, new bytes): allocates, resizes or, with 0 new bytes, frees.
    /// lua_Alloc.</summary>
    public static delegate* unmanaged[Cdecl]<nint, void*, nuint, nuint, void*> Resize => &ResizeBlock;

    /// <summary>(user data, bytes, alignment, scope): an aligned block. PFN_vkAllocationFunction.</summary>
    public static delegate* unmanaged[Cdecl]<nint, nuint, nuint, int, void*> AllocateAligned => &AllocateAlignedBlock;

    /// <summary>(user data, block, bytes, alignment, scope): resizes and keeps the alignment; 0 bytes free.
    /// PFN_vkReallocationFunction.</summary>
    public static delegate* unmanaged[Cdecl]<nint, void*, nuint, nuint, int, void*> ReallocateAligned =>
        &ReallocateAlignedBlock;

    /// <summary>(user data, bytes, type, scope): counts memory that the library got elsewhere.
    /// PFN_vkInternalAllocationNotification.</summary>
    public static delegate* unmanaged[Cdecl]<nint, nuint, int, int, void> NoteAllocated => &Note;

    /// <summary>(user data, bytes, type, scope): such memory has gone. PFN_vkInternalFreeNotification.</summary>
    public static delegate* unmanaged[Cdecl]<nint, nuint, int, int, void> NoteFreed => &NoteBack;

    /// <summary>(user data): makes the calling thread's cache, for threads of C at level load.</summary>
    public static delegate* unmanaged[Cdecl]<nint, void> AttachThread => &Attach;

    /// <summary><see cref="Allocate"/> for ports of C libraries to C#, such as ZstdSharp's ZSTD_customMem.</summary>
    public static delegate*<void*, nuint, void*> ManagedAllocate => &AllocateManaged;

    /// <summary><see cref="Free"/> for ports of C libraries to C#.</summary>
    public static delegate*<void*, void*, void> ManagedFree => &FreeManaged;

    private static void* AllocateManaged(void* user, nuint bytes)
    {
        NativeAllocator? allocator = NativeBindings.At((nint)user);
        return allocator is null ? null : allocator.Allocate(bytes);
    }

    private static void FreeManaged(void* user, void* block) => NativeBindings.At((nint)user)?.Free(block);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void* AllocateBlock(nint user, nuint bytes) => AllocateManaged((void*)user, bytes);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void* AllocateItemsBlock(nint user, uint items, uint bytes) =>
        AllocateManaged((void*)user, (nuint)((ulong)items * bytes));

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void FreeBlock(nint user, void* block) => FreeManaged((void*)user, block);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void* ResizeBlock(nint user, void* block, nuint oldBytes, nuint bytes)
    {
        NativeAllocator? allocator = NativeBindings.At(user);
        if (allocator is null)
            return null;

        if (bytes != 0)
            return allocator.Reallocate(block, bytes);

        allocator.Free(block);
        return null;
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void* AllocateAlignedBlock(nint user, nuint bytes, nuint alignment, int scope)
    {
        // Null would be out of memory to a driver that asks for 0 bytes, as Mesa's do for empty lists of barriers.
        NativeAllocator? allocator = NativeBindings.At(user);
        return allocator is null ? null : allocator.Allocate(bytes, alignment);
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void* ReallocateAlignedBlock(nint user, void* block, nuint bytes, nuint alignment, int scope)
    {
        NativeAllocator? allocator = NativeBindings.At(user);
        if (allocator is null)
            return null;

        if (bytes != 0)
            return allocator.Reallocate(block, bytes, alignment);

        allocator.Free(block);
        return null;
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void Note(nint user, nuint bytes, int type, int scope) =>
        NativeBindings.At(user)?.CountElsewhere((long)bytes);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void NoteBack(nint user, nuint bytes, int type, int scope) =>
        NativeBindings.At(user)?.CountElsewhere(-(long)bytes);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void Attach(nint user)
    {
        try
        {
            NativeBindings.At(user)?.AttachThread();
        }
        catch (Exception exception) when (exception is EngineMemoryException or ObjectDisposedException)
        {
            // The thread's first allocation tries again, and says why it fails.
        }
    }
}

/// <summary>The functions of one allocator for hooks without user data; see <see
/// cref="NativeAllocator.BindPlain"/>.</summary>
public readonly unsafe struct PlainFunctions
{
    /// <summary>(bytes): a block, as malloc.</summary>
    public delegate* unmanaged[Cdecl]<nuint, void*> Allocate { get; init; }

    /// <summary>(count, bytes of each): a block of zeros, as calloc.</summary>
    public delegate* unmanaged[Cdecl]<nuint, nuint, void*> AllocateZeroed { get; init; }

    /// <summary>(block, bytes): as realloc; a size of 0 is treated as 1.</summary>
    public delegate* unmanaged[Cdecl]<void*, nuint, void*> Reallocate { get; init; }

    /// <summary>(block): as free.</summary>
    public delegate* unmanaged[Cdecl]<void*, void> Free { get; init; }

    /// <summary>(block, old bytes, new bytes): realloc of libraries that know the old size, such as ODE.</summary>
    public delegate* unmanaged[Cdecl]<void*, nuint, nuint, void*> ReallocateSized { get; init; }

    /// <summary>(block, bytes): free of libraries that know the size.</summary>
    public delegate* unmanaged[Cdecl]<void*, nuint, void> FreeSized { get; init; }
}

/// <summary>The functions of one allocator for a library that asks for blocks' sizes, laid out as SQLite's
/// sqlite3_mem_methods; see <see cref="NativeAllocator.BindSizeQuery"/>.</summary>
[StructLayout(LayoutKind.Sequential)]
public readonly unsafe struct SizeQueryFunctions
{
    internal SizeQueryFunctions(
        delegate* unmanaged[Cdecl]<int, void*> allocate, delegate* unmanaged[Cdecl]<void*, void> free,
        delegate* unmanaged[Cdecl]<void*, int, void*> reallocate, delegate* unmanaged[Cdecl]<void*, int> usableBytes,
        delegate* unmanaged[Cdecl]<int, int> roundUp, delegate* unmanaged[Cdecl]<void*, int> start,
        delegate* unmanaged[Cdecl]<void*, void> end)
    {
        Allocate = allocate;
        Free = free;
        Reallocate = reallocate;
        UsableBytes = usableBytes;
        RoundUp = roundUp;
        Start = start;
        End = end;
        UserData = null;
    }

    /// <summary>(bytes): a block. xMalloc.</summary>
    public readonly delegate* unmanaged[Cdecl]<int, void*> Allocate;

    /// <summary>(block): xFree.</summary>
    public readonly delegate* unmanaged[Cdecl]<void*, void> Free;

    /// <summary>(block, bytes): xRealloc.</summary>
    public readonly delegate* unmanaged[Cdecl]<void*, int, void*> Reallocate;

    /// <summary>(block): the bytes that may be used. xSize.</summary>
    public readonly delegate* unmanaged[Cdecl]<void*, int> UsableBytes;

    /// <summary>(bytes): what a block of that size has. xRoundup.</summary>
    public readonly delegate* unmanaged[Cdecl]<int, int> RoundUp;

    /// <summary>(user data): 0. xInit.</summary>
    public readonly delegate* unmanaged[Cdecl]<void*, int> Start;

    /// <summary>(user data): xShutdown.</summary>
    public readonly delegate* unmanaged[Cdecl]<void*, void> End;

    /// <summary>pAppData: null.</summary>
    public readonly void* UserData;
}
