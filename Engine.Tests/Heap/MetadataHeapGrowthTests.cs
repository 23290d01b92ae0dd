using System.Runtime.InteropServices;
using Engine.Tests.Os;
using Engine.Tests.Support;

namespace Engine.Tests.Heap;

/// <summary>A level that loads makes the heap larger, which takes the kernel a while; a running scene's threads do not
/// wait for that.</summary>
[NonParallelizable]
internal sealed unsafe class MetadataHeapGrowthTests
{
    private const int PopulateWrite = 23;
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(20);
    private static readonly ManualResetEventSlim s_entered = new();
    private static readonly ManualResetEventSlim s_mayReturn = new(initialState: true);
    private static nint s_madvise;

    [Test]
    public void What_is_ready_is_had_while_the_kernel_populates_more()
    {
        using var context = new FailingContext();
        Assume.That(new SystemLibraries().TryGetProcAddress("madvise", out s_madvise));
        context.Replace("madvise", (nint)(delegate* unmanaged<nint, nuint, int, int>)&SlowMadvise);
        using LowerLayers layers = new(context: context);
        MetadataPromise early = new();
        MetadataPromise late = new();
        layers.Heap.Promise(early, 64 * Sizes.KiB);
        layers.Heap.Free(layers.Heap.Allocate(1024), 1024);
        s_entered.Reset();
        s_mayReturn.Reset();
        try
        {
            Task growing = Task.Run(() => layers.Heap.Promise(late, 4 * Sizes.MiB));
            Assume.That(s_entered.Wait(s_patience), "this machine populates by another call");
            Task taking = Task.Run(() =>
            {
                layers.Heap.Allocate(1024); // a freed one
                layers.Heap.Allocate(2048, early); // a new one, of what was promised
            });
            Assert.That(taking.Wait(s_patience), "the lock was free although the kernel is at work");
            Assert.That(growing.IsCompleted, Is.False);
            s_mayReturn.Set();
            Assert.That(growing.Wait(s_patience));
        }
        finally
        {
            s_mayReturn.Set();
        }

        long osCalls = layers.Os.OsCalls;
        for (int taken = 0; taken < 64; taken++)
            layers.Heap.Allocate(64 * 1024, late);

        Assert.That(layers.Os.OsCalls, Is.EqualTo(osCalls), "the promise holds beside what others took meanwhile");
    }

    [UnmanagedCallersOnly]
    private static int SlowMadvise(nint address, nuint bytes, int advice)
    {
        if (advice == PopulateWrite && !s_mayReturn.IsSet)
        {
            s_entered.Set();
            s_mayReturn.Wait();
        }

        return ((delegate* unmanaged<nint, nuint, int, int>)s_madvise)(address, bytes, advice);
    }
}
