namespace Engine.Tests.Os;

/// <summary>The two ways of counting page faults, against a number of faults that is known.</summary>
internal sealed class PageFaultTests
{
    private const nuint SuperSlab = 2 << 20;

    private readonly VirtualMemory _os = VirtualMemory.Create();

    [Test]
    public void A_thread_takes_one_fault_for_each_page_that_it_writes_first()
    {
        Assume.That(PageFaults.IsPerThread);
        using var range = new ReservedRange(_os, SuperSlab);
        Assert.That(
            _os.TryPrepare(range.Address, range.Bytes, new PrefaultStep(PageKind.Normal, PrefaultPolicy.None), out _));
        range.WriteEveryPage(0, _os.Facts.PageBytes, 1);

        long taken = range.FaultsOfWritingEveryPage(_os.Facts.PageBytes, SuperSlab - _os.Facts.PageBytes);
        Assert.That(taken, Is.EqualTo((long)(SuperSlab / _os.Facts.PageBytes) - 1));
        Assert.That(PageFaults.OfProcess(), Is.GreaterThanOrEqualTo(taken));
    }

    [Test]
    public void Counting_allocates_nothing()
    {
        PageFaults.OfThread();
        PageFaults.OfProcess();
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 100; i++)
        {
            PageFaults.OfThread();
            PageFaults.OfProcess();
        }

        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.Zero);
    }

    [Test]
    public void The_recorder_sees_each_fault_at_its_address()
    {
        Assume.That(PageFaultRecorder.IsAvailable(out string reason), reason);
        using var range = new ReservedRange(_os, SuperSlab);
        Assert.That(
            _os.TryPrepare(range.Address, range.Bytes, new PrefaultStep(PageKind.Normal, PrefaultPolicy.None), out _));
        nuint page = _os.Facts.PageBytes;
        nuint[] addresses = new nuint[1000];
        using var recorder = new PageFaultRecorder();
        range.WriteEveryPage(0, 0, 1);

        recorder.Start();
        range.WriteEveryPage(0, 100 * page, 1);
        recorder.Stop();
        range.WriteEveryPage(100 * page, 100 * page, 1);

        // The runtime's own pages may fault too, rarely; in the range nothing does but what the test writes.
        Assert.That(recorder.Count, Is.GreaterThanOrEqualTo(100));
        int drained = recorder.Drain(addresses);
        nuint[] within = [.. addresses.AsSpan(0, drained).ToArray().Where(address =>
            address - (nuint)range.Address < range.Bytes)];
        nuint[] expected = [.. Enumerable.Range(0, 100).Select(i => (nuint)range.Address + ((nuint)i * page))];
        Assert.That(within, Is.EqualTo(expected));

        recorder.Start();
        range.WriteEveryPage(200 * page, 50 * page, 1);
        recorder.Stop();
        Assert.That(recorder.DrainWithin(range.Address + (nint)(200 * page), 20 * page), Is.EqualTo(20));
        Assert.That(recorder.DrainWithin(range.Address, range.Bytes), Is.Zero, "a drain takes everything out");
        Assert.That(recorder.Count, Is.GreaterThanOrEqualTo(150));
        Assert.That(recorder.LostCount, Is.Zero);
    }

    [Test]
    public void The_recorder_adds_no_fault_and_no_garbage_of_its_own()
    {
        Assume.That(PageFaultRecorder.IsAvailable(out string reason), reason);
        using var recorder = new PageFaultRecorder(256);
        long allocated = 0;
        for (int round = 0; round < 3; round++)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            recorder.Start();
            for (int i = 0; i < 100; i++)
            {
                recorder.Stop();
                recorder.Start();
                recorder.DrainWithin(0, nuint.MaxValue);
            }

            recorder.Stop();
            allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        }

        long count = recorder.Count;
        recorder.Start();
        recorder.Stop();
        Assert.That(recorder.Count, Is.EqualTo(count));
        Assert.That(allocated, Is.Zero);
    }

    [Test]
    public void Faults_beyond_the_capacity_are_counted_and_told_as_lost()
    {
        Assume.That(PageFaultRecorder.IsAvailable(out string reason), reason);
        using var range = new ReservedRange(_os, 4 * SuperSlab);
        Assert.That(
            _os.TryPrepare(range.Address, range.Bytes, new PrefaultStep(PageKind.Normal, PrefaultPolicy.None), out _));
        using var recorder = new PageFaultRecorder(256);
        range.WriteEveryPage(0, 0, 1);
        recorder.Start();
        range.WriteEveryPage(1);
        recorder.Stop();
        long kept = recorder.DrainWithin(range.Address, range.Bytes);
        recorder.Start();
        recorder.Stop();

        // All of the range and, where the runtime took pages of its own meanwhile, these few.
        long pages = (long)(range.Bytes / _os.Facts.PageBytes);
        Assert.That(recorder.Count, Is.InRange(pages, pages + 16));
        Assert.That(kept, Is.InRange(200, 256));
    }

    [Test]
    public void Only_the_thread_that_created_the_recorder_may_drain_it()
    {
        Assume.That(PageFaultRecorder.IsAvailable(out string reason), reason);
        using var recorder = new PageFaultRecorder();
        Exception? thrown = null;
        var other = new Thread(() =>
        {
            try
            {
                recorder.DrainWithin(0, 1);
            }
            catch (SuperSlab.EngineMemoryException exception)
            {
                thrown = exception;
            }
        });
        other.Start();
        other.Join();
        Assert.That(thrown?.Message, Does.Contain("thread"));
    }
}
