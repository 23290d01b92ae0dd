using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Engine.Tests.Os;
using Engine.Tests.Support;
using SuperSlab.Interop;

namespace Engine.Tests.Interop;

/// <summary>Threads that .NET has never seen, made by pthread_create: their first call attaches them to the runtime. A
/// function of the allocator is itself the thread's start, so no C is needed.</summary>
[Category(Machine.NeedsRealKernel)]
[Platform("Linux")]
internal sealed unsafe class NativeThreadTests : ArenaFixture
{
    private static PlainFunctions s_functions;
    private static int s_started;
    private static int s_mayEnd;

    [Test]
    public void Threads_one_after_another_that_die_without_a_word([Values(3_000)] int count)
    {
        using NativeAllocator allocator = Arena.ToNativeAllocator();
        PlainFunctions plain = allocator.BindPlain();
        nint[] blocks = new nint[count];
        blocks[0] = Join(Start(plain.Allocate, 256));
        int superSlabs = Arena.SuperSlabCount;
        nuint resident = ResidentMemory.Settled();
        for (int index = 1; index < count; index++)
        {
            blocks[index] = Join(Start(plain.Allocate, 256));
            *(long*)blocks[index] = index;
        }

        Assert.That(blocks.Distinct().Count(), Is.EqualTo(count));
        Assert.That(Enumerable.Range(1, count - 1).All(index => *(long*)blocks[index] == index));
        Assert.That(
            ResidentMemory.SettledMiBSince(resident), Is.LessThan(32), "dead threads leave their caches to others");
        Assert.That(Arena.SuperSlabCount, Is.LessThanOrEqualTo(superSlabs + 2));
        FreeAll(blocks);
        Assert.That(Arena.LiveBytes(), Is.EqualTo((nuint)0));
        Assert.That((allocator.RefusalCount, allocator.MisuseCount), Is.EqualTo((0L, 0L)));
    }

    [Test]
    public void Threads_at_once([Values(600)] int count)
    {
        using NativeAllocator allocator = Arena.ToNativeAllocator();
        s_functions = allocator.BindPlain();
        (s_started, s_mayEnd) = (0, 0);
        nint[] threads = new nint[count];
        for (int index = 0; index < count; index++)
            threads[index] = Start((delegate* unmanaged[Cdecl]<nint, nint>)&KeepABlock, 100 + index);

        SpinWait.SpinUntil(() => Volatile.Read(ref s_started) == count);
        Volatile.Write(ref s_mayEnd, 1);
        nint[] blocks = [.. threads.Select(Join)];
        Assert.That(blocks.Distinct().Count(), Is.EqualTo(count).And.EqualTo(blocks.Count(block => block != 0)));
        for (int index = 0; index < count; index++)
            Assert.That(*(int*)blocks[index], Is.EqualTo(100 + index));

        FreeAll(blocks);
        Assert.That(Arena.LiveBytes(), Is.EqualTo((nuint)0));
    }

    [Test]
    public void The_first_call_of_a_thread_costs_little_managed_memory()
    {
        const int Threads = 200;
        using NativeAllocator allocator = Arena.ToNativeAllocator();
        for (int index = 0; index < 8; index++)
            Join(Start(NativeFunctions.AttachThread, allocator.UserData));

        (double bytes, double faults, double microseconds) =
            CostOf(Threads, NativeFunctions.AttachThread, allocator.UserData);
        nint labs = NativeLibrary.GetExport(NativeLibrary.Load("libc.so.6"), "labs");
        (double _, double bareFaults, double bareMicroseconds) = CostOf(Threads, (void*)labs, 5);
        TestContext.Out.WriteLine(
            $"a native thread's first call: {bytes:0} managed bytes, {faults - bareFaults:0.0} faults, "
            + $"{microseconds - bareMicroseconds:0} us more than a thread that does nothing ({bareMicroseconds:0} us)");
        Assert.That(bytes, Is.LessThan(2_000));
    }

    private static (double Bytes, double Faults, double Microseconds) CostOf(int threads, void* start, nint argument)
    {
        long bytes = GC.GetTotalAllocatedBytes(precise: true);
        long faults = PageFaults.OfProcess();
        long begin = System.Diagnostics.Stopwatch.GetTimestamp();
        for (int index = 0; index < threads; index++)
            Join(Start(start, argument));

        double microseconds = System.Diagnostics.Stopwatch.GetElapsedTime(begin).TotalMicroseconds / threads;
        faults = PageFaults.OfProcess() - faults;
        bytes = GC.GetTotalAllocatedBytes(precise: true) - bytes;
        return ((double)bytes / threads, (double)faults / threads, microseconds);
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static nint KeepABlock(nint number)
    {
        void* other = s_functions.Allocate(300);
        int* block = (int*)s_functions.Allocate(128);
        *block = (int)number;
        s_functions.Free(other);
        Interlocked.Increment(ref s_started);
        while (Volatile.Read(ref s_mayEnd) == 0)
            Thread.Sleep(1);

        return (nint)block;
    }

    private static nint Start(void* start, nint argument)
    {
        nint thread;
        Assert.That(pthread_create(&thread, null, start, argument), Is.Zero, "the system makes the thread");
        return thread;
    }

    private static nint Join(nint thread)
    {
        nint result;
        Assert.That(pthread_join(thread, &result), Is.Zero);
        return result;
    }

    [DllImport("libc.so.6")]
    private static extern int pthread_create(nint* thread, void* attributes, void* start, nint argument);

    [DllImport("libc.so.6")]
    private static extern int pthread_join(nint thread, nint* result);
}
