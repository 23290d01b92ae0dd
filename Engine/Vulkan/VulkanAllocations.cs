using Silk.NET.Vulkan;
using SuperSlab.Interop;

namespace SuperSlab.Vulkan;

/// <summary>Gives arenas to Vulkan: the pAllocator of its functions that create and destroy.</summary>
public static unsafe class VulkanAllocations
{
    /// <summary>
    /// The allocator as Vulkan's callbacks. Vulkan reads them during each call that has them as pAllocator, on the
    /// calling thread; it calls back on any thread, those of its driver too, until the object is destroyed, which needs
    /// callbacks of the same allocator. Where memory or the allocator's budget ends, Vulkan's functions return
    /// <see cref="Result.ErrorOutOfHostMemory"/>. At level load; the callbacks themselves are hot-loop safe.
    /// </summary>
    /// <param name="allocator">It must outlive every object that is made with the callbacks.</param>
    public static AllocationCallbacks ToVulkan(this NativeAllocator allocator)
    {
        ArgumentNullException.ThrowIfNull(allocator);
        return new AllocationCallbacks
        {
            PUserData = (void*)allocator.UserData,
            PfnAllocation = new PfnAllocationFunction(
                (delegate* unmanaged[Cdecl]<void*, nuint, nuint, SystemAllocationScope, void*>)
                    NativeFunctions.AllocateAligned),
            PfnReallocation = new PfnReallocationFunction(
                (delegate* unmanaged[Cdecl]<void*, void*, nuint, nuint, SystemAllocationScope, void*>)
                    NativeFunctions.ReallocateAligned),
            PfnFree = new PfnFreeFunction((delegate* unmanaged[Cdecl]<void*, void*, void>)NativeFunctions.Free),
            PfnInternalAllocation = new PfnInternalAllocationNotification(
                (delegate* unmanaged[Cdecl]<void*, nuint, InternalAllocationType, SystemAllocationScope, void>)
                    NativeFunctions.NoteAllocated),
            PfnInternalFree = new PfnInternalFreeNotification(
                (delegate* unmanaged[Cdecl]<void*, nuint, InternalAllocationType, SystemAllocationScope, void>)
                    NativeFunctions.NoteFreed),
        };
    }
}
