using Samples.GameReplay.Playing;

namespace Engine.Tests.Samples;

/// <summary>
/// The meter that the main job's zeros rest on sees faults where there are some: an engine told not to prefault takes
/// one for every page, and all of them lie in its memory.
/// </summary>
[TestFixture]
internal sealed unsafe class FaultMeterTests
{
    private const int Pages = 100;
    private const int PageBytes = 4096;

    [Test]
    public void Faults_are_counted_and_told_from_others_by_their_address()
    {
        if (!PageFaultRecorder.IsAvailable(out string reason))
            Assert.Ignore($"The addresses of faults are not to be had here: {reason}.");

        using var memory =
            new EngineMemory(new EngineMemoryOptions { Prefault = PrefaultPolicy.None, Pages = PageKind.Normal });
        using LongLivedArena arena = memory.CreateLongLivedArena("unprepared");
        using var meter = new FaultMeter(1, records: true);
        Count(meter, memory, null);
        byte* block = (byte*)arena.Allocate(Pages * PageBytes);
        (long all, long? engine) first = Count(meter, memory, block);
        (long all, long? engine) again = Count(meter, memory, block);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(first.all, Is.GreaterThanOrEqualTo(Pages - 1));
            Assert.That(first.engine, Is.InRange(Pages - 1, first.all));
            Assert.That(again.engine, Is.Zero);
        }
    }

    [Test]
    public void Without_addresses_only_a_total_of_zero_says_something_about_the_parts()
    {
        using var memory =
            new EngineMemory(new EngineMemoryOptions { Prefault = PrefaultPolicy.None, Pages = PageKind.Normal });
        using LongLivedArena arena = memory.CreateLongLivedArena("unprepared");
        using var meter = new FaultMeter(1, records: false);
        byte* block = (byte*)arena.Allocate(Pages * PageBytes);
        Assume.That(PageFaults.IsPerThread);
        (long all, long? engine) = Count(meter, memory, block);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(all, Is.GreaterThanOrEqualTo(Pages - 1));
            Assert.That(engine, Is.Null);
        }
    }

    private static (long All, long? Engine) Count(FaultMeter meter, EngineMemory memory, byte* block)
    {
        meter.Start();
        for (int page = 0; block != null && page < Pages; page++)
            block[page * PageBytes] = 1;

        meter.Stop();
        return (meter.Count, meter.CountWithin(memory.ReservationBase, memory.ReservationBytes));
    }
}
