using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace SuperSlab.Interop;

/// <summary>
/// What C code that includes engine_memory.h reads of a <see cref="NativeAllocator"/> (there struct engine_arena): the
/// tag of the arena's blocks, and the functions for what the inline fast path, that of <see cref="ThreadCache"/>, leaves
/// to them. One for each number of an allocator; it is never freed, so C may read it after the allocator's end.
/// </summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct NativeArena
{
    /// <summary>
    /// The version of this structure, <see cref="ThreadCache"/> and <see cref="LaneState"/>. It goes up with each change
    /// of them, here and in the header.
    /// </summary>
    public const uint CurrentLayout = 1;

    /// <summary>A tag that no slab has: every free takes the function.</summary>
    private static readonly nuint NoTag = nuint.MaxValue;

    public uint Bytes;
    public uint Layout;
    public nuint Tag;
    public nint Number;
    public delegate* unmanaged[Cdecl]<NativeArena*, ThreadCache*> Attach;
    public delegate* unmanaged[Cdecl]<NativeArena*, ThreadCache*, nuint, nuint, void*> Allocate;
    public delegate* unmanaged[Cdecl]<NativeArena*, ThreadCache*, void*, void> Free;
    public delegate* unmanaged[Cdecl]<NativeArena*, ThreadCache*, void*, nuint, nuint, void*> Reallocate;
    public delegate* unmanaged[Cdecl]<NativeArena*, void*, nuint> UsableBytes;

    /// <summary>Describes an allocator, in the place of an earlier one with its number.</summary>
    /// <param name="place">From an earlier call; null makes one.</param>
    /// <param name="number">The allocator's.</param>
    /// <param name="arena">Whose blocks inline code may free; null where each free must take the function.</param>
    public static NativeArena* Describe(NativeArena* place, int number, LongLivedArena? arena)
    {
        if (place == null)
            place = (NativeArena*)NativeMemory.AllocZeroed((nuint)sizeof(NativeArena));

        *place = new NativeArena
        {
            Bytes = (uint)sizeof(NativeArena),
            Layout = CurrentLayout,
            Tag = arena?.Tag ?? NoTag,
            Number = number,
            Attach = &AttachThread,
            Allocate = &AllocateBlock,
            Free = &FreeBlock,
            Reallocate = &ReallocateBlock,
            UsableBytes = &UsableBytesOf,
        };
        return place;
    }

    /// <summary>The allocator has gone: what is freed later is nobody's.</summary>
    public static void Forget(NativeArena* place)
    {
        if (place != null)
            place->Tag = NoTag;
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static ThreadCache* AttachThread(NativeArena* arena)
    {
        NativeAllocator? allocator = NativeBindings.At(arena->Number);
        return allocator is null ? ThreadCache.Detached : allocator.CacheOfThread();
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void* AllocateBlock(NativeArena* arena, ThreadCache* cache, nuint bytes, nuint alignment)
    {
        NativeAllocator? allocator = NativeBindings.At(arena->Number);
        return allocator is null ? null : allocator.Allocate(cache, bytes, alignment);
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void FreeBlock(NativeArena* arena, ThreadCache* cache, void* block) =>
        NativeBindings.At(arena->Number)?.Free(cache, block);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void* ReallocateBlock(
        NativeArena* arena, ThreadCache* cache, void* block, nuint bytes, nuint alignment)
    {
        NativeAllocator? allocator = NativeBindings.At(arena->Number);
        return allocator is null ? null
            : block == null ? allocator.Allocate(cache, bytes, alignment)
            : allocator.Reallocate(block, bytes, alignment);
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static nuint UsableBytesOf(NativeArena* arena, void* block) =>
        NativeBindings.At(arena->Number)?.UsableBytes(block) ?? 0;
}

/// <summary>
/// A lane in the hands of C (there struct engine_lane), whose inline code adds to the state's cursor.
/// </summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct NativeLane
{
    public LaneState* State;

    /// <summary>What the library calls the frame arena.</summary>
    public nint Frames;
    public int Index;
}
