using Engine.Tests.Os;
using Engine.Tests.Support;
using Silk.NET.Vulkan;
using SuperSlab.Interop;
using SuperSlab.Vulkan;

namespace Engine.Tests.Interop;

/// <summary>
/// A Vulkan driver on an arena (lavapipe, which has threads of its own). Without one the tests are skipped;
/// .ci/native-libraries installs it.
/// </summary>
[Category(Machine.NeedsRealKernel)]
[NonParallelizable]
internal sealed class VulkanTests : ArenaFixture
{
    private Vk _vk = null!;

    [OneTimeSetUp]
    public void Find()
    {
        try
        {
            _vk = Vk.GetApi();
        }
        catch (FileNotFoundException)
        {
            Assert.Ignore("There is no Vulkan here (Debian: libvulkan1, mesa-vulkan-drivers).");
        }

        using EngineMemory memory = new(Options);
        using LongLivedArena arena = memory.CreateLongLivedArena("first");
        using NativeAllocator allocator = arena.ToNativeAllocator();
        if (new VulkanLife(_vk, allocator.ToVulkan(), compiles: false).Run(out _) != Result.Success)
            Assert.Ignore("There is no Vulkan device here (Debian: mesa-vulkan-drivers).");
    }

    [OneTimeTearDown]
    public void Leave() => _vk?.Dispose();

    [Test]
    public void A_life_is_served_and_leaves_nothing([Values] MemoryChecks checks)
    {
        using EngineMemory memory = new(new EngineMemoryOptions { ReservationBytes = Size.GiB(4), Checks = checks });
        using LongLivedArena arena = memory.CreateLongLivedArena("vulkan");
        using NativeAllocator allocator = arena.ToNativeAllocator();
        for (int life = 0; life < 3; life++)
        {
            Assert.That(Life(allocator, compiles: true), Is.EqualTo((Result.Success, true)));
            Assert.That(arena.LiveBytes(), Is.EqualTo((nuint)0));
        }

        Assert.That(arena.PeakBlocks().Sum(block => block.Count), Is.GreaterThan(50), "the driver really asked it");
        Assert.That((allocator.RefusalCount, allocator.MisuseCount), Is.EqualTo((0L, 0L)), $"{allocator.FirstMisuse}");
        memory.Validate();
    }

    /// <summary>
    /// What this driver leaves behind of a refused call is its own; a whole life later leaves nothing. Mesa 22.3 dies
    /// where it compiles without memory, and the loader 1.3.239 where it looks for devices without: neither is refused.
    /// </summary>
    [Test]
    public void Each_refusal_is_a_result_and_a_budget_is_out_of_host_memory()
    {
        using NativeAllocator allocator = Arena.ToNativeAllocator();
        for (int call = 1, refused = 1; refused != 0; call++)
        {
            long before = allocator.RefusalCount;
            int nth = call;
            var life = new VulkanLife(_vk, allocator.ToVulkan(), compiles: false, () => allocator.FailAfter(nth));
            Result result = life.Run(out bool isFilled);
            refused = (int)(allocator.RefusalCount - before);
            allocator.FailAfter(0);
            Assert.That(result, Is.AnyOf(Result.Success, Result.ErrorOutOfHostMemory), $"call {call}");
            Assert.That(isFilled, Is.EqualTo(result == Result.Success));
        }

        Assert.That(allocator.RefusalCount, Is.GreaterThan(10));
        using (NativeAllocator small = Arena.ToNativeAllocator(new NativeAllocatorOptions { BudgetBytes = 1024 }))
            Assert.That(Life(small, compiles: false).Result, Is.EqualTo(Result.ErrorOutOfHostMemory));

        nuint left = Arena.LiveBytes();
        Assert.That(Life(allocator, compiles: true), Is.EqualTo((Result.Success, true)));
        Assert.That(Arena.LiveBytes(), Is.EqualTo(left));
        Assert.That(allocator.MisuseCount, Is.Zero);
        Memory.Validate();
    }

    [Test]
    public unsafe void What_a_driver_gets_elsewhere_is_counted()
    {
        using NativeAllocator allocator = Arena.ToNativeAllocator();
        AllocationCallbacks callbacks = allocator.ToVulkan();
        void Note(void* function, nuint bytes) =>
            ((delegate* unmanaged[Cdecl]<void*, nuint, InternalAllocationType, SystemAllocationScope, void>)function)(
                callbacks.PUserData, bytes, InternalAllocationType.Executable, SystemAllocationScope.Device);

        Note(callbacks.PfnInternalAllocation, 5_000);
        Note(callbacks.PfnInternalAllocation, 3_000);
        Note(callbacks.PfnInternalFree, 5_000);
        Assert.That(allocator.ElsewhereBytes, Is.EqualTo(3_000));
    }

    private (Result Result, bool IsFilled) Life(NativeAllocator allocator, bool compiles)
    {
        Result result = new VulkanLife(_vk, allocator.ToVulkan(), compiles).Run(out bool isFilled);
        return (result, isFilled);
    }
}
