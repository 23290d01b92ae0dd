namespace Engine.Tests.Os;

/// <summary>After Provide, writes do not fault, by two independent means; when it fails, nothing is left.</summary>
internal sealed class PrefaulterTests
{
    private const nuint SuperSlab = 2 << 20;

    [Test]
    public void A_provided_range_takes_no_fault(
        [Values] PrefaultPolicy policy,
        [Values] PageKind pages,
        [Values(4096u, 65536u, 2u << 20, 6u << 20)] uint bytes)
    {
        VirtualMemory os = VirtualMemory.Create();
        var prefaulter = new Prefaulter(os, policy, pages);
        using var range = new ReservedRange(os, bytes);
        prefaulter.Provide(range.Address, range.Bytes);

        if (policy != PrefaultPolicy.None)
        {
            Assert.That(
                os.PagesThatWouldFault(range.Address, range.Bytes), Is.LessThanOrEqualTo(0), prefaulter.Describe());
            Assert.That(PageFaults.IsPerThread ? range.FaultsOfWritingEveryPage() : 0, Is.Zero, prefaulter.Describe());
        }

        range.WriteEveryPage(1);
    }

    [Test]
    [Platform("Linux")]
    public void A_policy_that_the_system_refuses_falls_to_the_next_and_says_why()
    {
        using var context = new FailingContext();
        context.FailAlways("madvise", errno: 22, argument: 23);
        VirtualMemory os = VirtualMemory.Create(context);
        var prefaulter = new Prefaulter(os, PrefaultPolicy.Automatic, PageKind.Normal);
        using var range = new ReservedRange(os, SuperSlab);
        prefaulter.Provide(range.Address, range.Bytes);

        Assert.That(os.PagesThatWouldFault(range.Address, range.Bytes), Is.LessThanOrEqualTo(0));
        Assert.That(prefaulter.Describe(), Does.Contain("Invalid argument (22)"));
    }

    [Test]
    [Platform("Linux")]
    public void When_nothing_works_it_throws_and_the_range_is_reserved_as_before()
    {
        using var context = new FailingContext();
        VirtualMemory os = VirtualMemory.Create(context);
        var prefaulter = new Prefaulter(os, PrefaultPolicy.Automatic, PageKind.Automatic);
        using var range = new ReservedRange(os, SuperSlab);
        context.FailAlways("mprotect", errno: 12, argument: 3);
        Assert.That(() => prefaulter.Provide(range.Address, range.Bytes), Throws.TypeOf<EngineOutOfMemoryException>());
        context.Heal("mprotect");
        prefaulter.Provide(range.Address, range.Bytes);
        Assert.That(os.PagesThatWouldFault(range.Address, range.Bytes), Is.LessThanOrEqualTo(0));
    }

    /// <summary>Other threads may write to pages that are there meanwhile.</summary>
    [Test]
    public void A_refill_puts_the_pages_that_are_missing_and_keeps_what_the_others_hold(
        [Values(PrefaultPolicy.Automatic, PrefaultPolicy.Touch, PrefaultPolicy.Clear, PrefaultPolicy.PopulateWrite)]
        PrefaultPolicy policy)
    {
        VirtualMemory os = VirtualMemory.Create();
        var prefaulter = new Prefaulter(os, policy, PageKind.Normal);
        using var range = new ReservedRange(os, SuperSlab);
        prefaulter.Provide(range.Address, range.Bytes);
        range.WriteEveryPage(0x5A);
        os.Discard(range.Address + (nint)(SuperSlab / 4), SuperSlab / 2);
        prefaulter.Refill(range.Address, range.Bytes);

        Assert.That(os.PagesThatWouldFault(range.Address, range.Bytes), Is.LessThanOrEqualTo(0));
        for (nuint offset = 0; offset < SuperSlab; offset += os.Facts.PageBytes)
        {
            bool isDiscarded = offset - (SuperSlab / 4) < SuperSlab / 2;
            Assert.That(range.Read(offset), Is.EqualTo(isDiscarded ? 0 : 0x5A), $"offset {offset}");
        }
    }

    [Test]
    public void Several_threads_provide_one_large_range_and_tell_their_progress()
    {
        VirtualMemory os = VirtualMemory.Create();
        var prefaulter = new Prefaulter(os, PrefaultPolicy.Automatic, PageKind.Automatic);
        using var range = new ReservedRange(os, 128 << 20);
        var progress = new Progress();
        prefaulter.Provide(range.Address, range.Bytes, 2, progress, CancellationToken.None);

        Assert.That(os.PagesThatWouldFault(range.Address, range.Bytes), Is.LessThanOrEqualTo(0));
        Assert.That(progress.Highest, Is.EqualTo(1.0));
    }

    [Test]
    public void Several_threads_need_nobody_to_tell_their_progress_to([Values(1, 2, 5)] int threads)
    {
        VirtualMemory os = VirtualMemory.Create();
        var prefaulter = new Prefaulter(os, PrefaultPolicy.Automatic, PageKind.Automatic);
        using var range = new ReservedRange(os, (128 << 20) + SuperSlab);
        PrefaultReport report = prefaulter.Provide(range.Address, range.Bytes, threads, null, CancellationToken.None);

        Assert.That(os.PagesThatWouldFault(range.Address, range.Bytes), Is.LessThanOrEqualTo(0));
        Assert.That(report.Bytes, Is.EqualTo((ulong)range.Bytes));
        Assert.That(report.BytesPerSecond, Is.GreaterThan(0));
    }

    [Test]
    public void What_fails_in_one_of_several_threads_falls_back_for_the_whole_range()
    {
        const int PopulateWrite = 23;
        using var context = new FailingContext();
        VirtualMemory os = VirtualMemory.Create(context);
        var prefaulter = new Prefaulter(os, PrefaultPolicy.PopulateWrite, PageKind.Normal);
        using var range = new ReservedRange(os, (128 << 20) + SuperSlab);
        prefaulter.Provide(range.Address, SuperSlab);
        Assume.That(prefaulter.Describe(), Does.Contain("MADV_POPULATE_WRITE on normal pages: ok"));
        context.FailAlways("madvise", errno: 12, argument: PopulateWrite);
        PrefaultReport report =
            prefaulter.Provide(
            range.Address + (nint)SuperSlab, range.Bytes - SuperSlab, 3, null, CancellationToken.None);

        Assert.That(report.Policy, Is.Not.EqualTo(PrefaultPolicy.PopulateWrite));
        string? policy = SettingWords.Prefault.WordOf(report.Policy);
        Assert.That(report.ToString(), Does.StartWith("128 MiB in ").And.Contain($"normal pages by {policy}"));
        Assert.That(os.PagesThatWouldFault(range.Address, range.Bytes), Is.LessThanOrEqualTo(0));
    }

    [Test]
    public void Cancelling_leaves_nothing_behind()
    {
        VirtualMemory os = VirtualMemory.Create();
        var prefaulter = new Prefaulter(os, PrefaultPolicy.Automatic, PageKind.Automatic);
        using var range = new ReservedRange(os, 256 << 20);
        using var cancellation = new CancellationTokenSource();
        var progress = new Progress { WhenReported = cancellation.Cancel };
        nuint before = os.ResidentBytes;

        Assert.That(
            () => prefaulter.Provide(range.Address, range.Bytes, 2, progress, cancellation.Token),
            Throws.InstanceOf<OperationCanceledException>());
        Assert.That(os.ResidentBytes, Is.LessThan(before + (16 << 20)));
        prefaulter.Provide(range.Address, SuperSlab);
    }

    private sealed class Progress : IProgress<double>
    {
        private readonly Lock _lock = new();

        public double Highest { get; private set; }

        public Action? WhenReported { get; init; }

        public void Report(double value)
        {
            lock (_lock)
                Highest = Math.Max(Highest, value);

            WhenReported?.Invoke();
        }
    }
}
