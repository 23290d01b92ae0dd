using Engine.Tests.Support;

namespace Engine.Tests.Os;

/// <summary>
/// A prefault that fails or is interrupted, and whose undo the system refuses too: the caller hears why it failed,
/// never of the undo alone, and who keeps account of the range is told.
/// </summary>
internal sealed class PrefaultUndoTests
{
    private const int OutOfMemory = 12;
    private const int DontNeed = 4;
    private const nuint SuperSlab = 2 << 20;

    [Test]
    [Category(Lane.Slow)]
    public void What_the_progress_throws_reaches_the_caller_as_itself_after_all_threads_stopped(
        [Values(1, 2, 5)] int threads)
    {
        VirtualMemory os = VirtualMemory.Create();
        Prefaulter prefaulter = new(os, PrefaultPolicy.Automatic, PageKind.Automatic);
        using ReservedRange range = new(os, 256 << 20);
        for (int report = 1; report <= 16; report++)
        {
            Thrower progress = new(report);
            Assert.That(() =>
                prefaulter.Provide(range.Address, range.Bytes, threads, progress, CancellationToken.None),
                Throws.Exception.SameAs(progress.Thrown));
            Assert.That(progress.Inside, Is.Zero, "nobody is still at work");
            Assert.That(MemoryMap.ResidentWithin(range.Address, range.Bytes), Is.Zero);
            Assert.That(!MemoryMap.IsReadable || !MemoryMap.IsAccessible(range.Address), Is.True);
        }

        prefaulter.Provide(range.Address, range.Bytes, threads, null, CancellationToken.None);
        Assert.That(os.PagesThatWouldFault(range.Address, range.Bytes), Is.LessThanOrEqualTo(0));
    }

    [Test]
    public void What_the_progress_throws_is_said_where_the_undo_is_refused([Values] bool cancels)
    {
        using FailingContext context = LinuxContext();
        VirtualMemory os = VirtualMemory.Create(context);
        List<(nint Address, nuint Bytes)> told = [];
        os.DecommitRefused = (address, bytes) => told.Add((address, bytes));
        Prefaulter prefaulter = new(os, PrefaultPolicy.PopulateWrite, PageKind.Normal);
        using ReservedRange range = new(os, 128 << 20);
        using CancellationTokenSource cancellation = new();
        Thrower progress = new(2)
        {
            Before = () => RefuseToTakeBack(context),
            Instead = cancels ? cancellation.Cancel : null,
        };
        Assert.That(
            () => prefaulter.Provide(range.Address, range.Bytes, 2, progress, cancellation.Token),
            cancels ? Throws.InstanceOf<OperationCanceledException>() : Throws.Exception.SameAs(progress.Thrown));
        Assert.That(told, Is.EqualTo(new[] { (range.Address, range.Bytes) }));
        Assert.That(MemoryMap.ResidentWithin(range.Address, range.Bytes), Is.Positive, "the system kept it");
        context.Heal("madvise");
        context.Heal("mmap");
        os.Decommit(range.Address, range.Bytes);
        Assert.That(MemoryMap.ResidentWithin(range.Address, range.Bytes), Is.Zero);
    }

    [Test]
    public void Out_of_memory_is_said_where_the_undo_is_refused()
    {
        using FailingContext context = LinuxContext();
        VirtualMemory os = VirtualMemory.Create(context);
        List<(nint Address, nuint Bytes)> told = [];
        os.DecommitRefused = (address, bytes) => told.Add((address, bytes));
        Prefaulter prefaulter = new(os, PrefaultPolicy.PopulateWrite, PageKind.Normal);
        using ReservedRange range = new(os, SuperSlab);
        context.FailAlways("madvise", OutOfMemory);
        context.FailAlways("mmap", OutOfMemory);
        Assert.That(
            () => prefaulter.Provide(range.Address, range.Bytes),
            Throws.TypeOf<EngineOutOfMemoryException>().With.Message.Contains(
                "MADV_POPULATE_WRITE").And.Message.Contains("refused to take back").And.Message.Contains("mmap: "));
        Assert.That(told, Is.EqualTo(new[] { (range.Address, range.Bytes) }));
        context.Heal("madvise");
        context.Heal("mmap");
        prefaulter.Provide(range.Address, range.Bytes);
        Assert.That(os.PagesThatWouldFault(range.Address, range.Bytes), Is.LessThanOrEqualTo(0));
    }

    [Test]
    [Category(Lane.Slow)]
    public void Any_run_of_refusals_ends_in_memory_or_in_out_of_memory(
        [Values("mmap", "madvise", "mprotect", "mremap", "mlock", "munlock")] string function,
        [Values] bool halfDone,
        [Values(PrefaultPolicy.Automatic, PrefaultPolicy.PopulateAtMapping, PrefaultPolicy.Lock)] PrefaultPolicy policy)
    {
        using FailingContext context = LinuxContext();
        VirtualMemory os = VirtualMemory.Create(context);
        int failures = 0;
        foreach (int run in new[] { 1, 2, 3, 4, 100 })
        {
            long before = -1;
            for (int call = 1; context.CallsOf(function) - before >= call || call == 1; call++)
            {
                using ReservedRange range = new(os, 2 * SuperSlab);
                Prefaulter prefaulter = new(os, policy, PageKind.Automatic);
                before = context.CallsOf(function);
                if (halfDone)
                    context.FailHalfDone(function, call, OutOfMemory, run - 1);
                else
                    context.FailRun(function, call, run, OutOfMemory);

                failures += Outcome(prefaulter, range);
                context.Heal(function);
                Assert.That(
                    os.IsLost(range.Address, range.Bytes)
                    || MemoryMap.CoveredWithin(range.Address, range.Bytes) == range.Bytes, Is.True,
                    $"no hole after call {call}, {run} times");
                os.Decommit(range.Address, range.Bytes);
                Assert.That(MemoryMap.ResidentWithin(range.Address, range.Bytes), Is.Zero, $"call {call}, {run} times");
            }
        }

        TestContext.Out.WriteLine($"{failures} were out of memory");
    }

    private static int Outcome(Prefaulter prefaulter, ReservedRange range)
    {
        try
        {
            prefaulter.Provide(range.Address, range.Bytes);
            range.WriteEveryPage(1);
            return 0;
        }
        catch (EngineOutOfMemoryException)
        {
            return 1;
        }
    }

    private static FailingContext LinuxContext()
    {
        Assume.That(OperatingSystem.IsLinux() && !Machine.IsEmulated, "the calls that are made to fail are Linux's");
        return new FailingContext();
    }

    private static void RefuseToTakeBack(FailingContext context)
    {
        context.FailAlways("madvise", OutOfMemory, DontNeed);
        context.FailAlways("mmap", OutOfMemory);
    }

    private sealed class Thrower(int report) : IProgress<double>
    {
        private readonly TaskCompletionSource _acted = new();
        private int _reports;
        private int _inside;

        public InvalidOperationException Thrown { get; } = new("the loading screen is gone");

        public int Inside => Volatile.Read(ref _inside);

        public Action? Before { get; init; }

        public Action? Instead { get; init; }

        public void Report(double value)
        {
            Interlocked.Increment(ref _inside);
            try
            {
                int number = Interlocked.Increment(ref _reports);
                if (number == report)
                    Act();
                else if (number > report)
                    _acted.Task.Wait(); // however slow that thread is, the others do not do all the work meanwhile
            }
            finally
            {
                Interlocked.Decrement(ref _inside);
            }
        }

        private void Act()
        {
            try
            {
                Before?.Invoke();
                if (Instead is null)
                    throw Thrown;

                Instead();
            }
            finally
            {
                _acted.SetResult();
            }
        }
    }
}
