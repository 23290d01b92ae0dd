using System.Diagnostics.Metrics;

using Engine.Tests.Support;

namespace Engine.Tests.Diagnostics;

/// <summary>The meter as a listener of the .NET kind sees it.</summary>
[NonParallelizable]
internal sealed class MemoryMeterTests
{
    [Test]
    public unsafe void A_listener_sees_what_the_arenas_hold_under_their_names()
    {
        using EngineMemory memory = new();
        using LongLivedArena world = memory.CreateLongLivedArena("world");
        using FrameArena frames = memory.CreateFrameArena("frames");
        using MemoryMeter meter = new(memory);
        world.Budget = new ArenaBudget { SoftBytes = 8 << 20, HardBytes = 64 << 20 };
        void* block = world.Allocate(3 << 20);

        Dictionary<string, long> seen = Observe();

        Assert.Multiple(() =>
        {
            Assert.That(
                seen["superslab.arena.size arena=world"],
                Is.EqualTo(world.SuperSlabCount * (long)SlabGeometry.SuperSlabBytes));
            Assert.That(
                seen["superslab.arena.size arena=frames"],
                Is.EqualTo(frames.SuperSlabCount * (long)SlabGeometry.SuperSlabBytes));
            Assert.That(seen["superslab.arena.live arena=world"], Is.GreaterThanOrEqualTo(3 << 20));
            Assert.That(seen["superslab.arena.limit arena=world limit=hard"], Is.EqualTo(64 << 20));
            Assert.That(seen["superslab.arena.overruns arena=world limit=soft"], Is.Zero);
            Assert.That(seen["superslab.arena.overflows arena=frames"], Is.Zero);
            Assert.That(seen["superslab.superslab.count state=owned"], Is.EqualTo(memory.OwnedSuperSlabCount));
            Assert.That(seen["superslab.superslab.count state=ready"], Is.EqualTo(memory.ReadySuperSlabCount));
            Assert.That(seen["superslab.metadata.size"], Is.EqualTo((long)memory.MetadataBytes));
            Assert.That(seen["superslab.os.calls"], Is.EqualTo(memory.OsCalls));
            Assert.That(seen.Keys, Has.None.Contains("arena.limit arena=frames"), "a frame arena has no budget");
        });
        world.Free(block);
    }

    [Test]
    public void The_instruments_are_what_dashboards_rely_on()
    {
        SortedSet<string> names = [];
        using EngineMemory memory = new();
        using MemoryMeter meter = new(memory);
        using MeterListener listener = new()
        {
            InstrumentPublished = (instrument, _) =>
                names.Add(instrument.Meter.Name == MemoryMeter.Name ? $"{instrument.Name} {instrument.Unit}" : ""),
        };
        listener.Start();
        names.Remove("");
        Assert.That(names, Is.EqualTo((string[])
        [
            "superslab.arena.absent By", "superslab.arena.cached By", "superslab.arena.limit By",
                "superslab.arena.live By", "superslab.arena.overflows {overflow}",
            "superslab.arena.overruns {overrun}", "superslab.arena.size By", "superslab.metadata.size By",
                "superslab.os.calls {call}",
            "superslab.superslab.count {superslab}", "superslab.tag.allocated By",
                "superslab.tag.allocations {allocation}",
            "superslab.tag.freed By",
        ]));
    }

    [Test]
    public unsafe void A_later_collection_sees_what_has_changed_since()
    {
        using EngineMemory memory = new();
        using LongLivedArena world = memory.CreateLongLivedArena("world");
        ManualTime clock = new();
        using MemoryMeter meter = new(memory, clock);
        long before = Observe()["superslab.arena.size arena=world"];
        void* block = world.Allocate(20 << 20);
        Assert.That(
            Observe()["superslab.arena.size arena=world"], Is.EqualTo(before), "one collection has one snapshot");
        clock.Advance(TimeSpan.FromMilliseconds(51));
        Assert.That(Observe()["superslab.arena.size arena=world"], Is.GreaterThanOrEqualTo(before + (20 << 20)));
        world.Free(block);
    }

    [Test]
    public void A_disposed_meter_tells_nothing()
    {
        using EngineMemory memory = new();
        using LongLivedArena world = memory.CreateLongLivedArena("world");
        using (MemoryMeter meter = new(memory))
        {
            Assert.That(Observe(), Is.Not.Empty);
        }

        Assert.That(Observe(), Is.Empty);
    }

    [Test]
    public void A_meter_whose_listener_throws_leaves_no_instrument()
    {
        using EngineMemory memory = new();
        using LongLivedArena world = memory.CreateLongLivedArena("world");
        using (MeterListener listener = new())
        {
            listener.InstrumentPublished = (instrument, _) =>
            {
                if (instrument.Name == "superslab.metadata.size")
                    throw new InvalidOperationException("refused");
            };
            listener.Start();
            Assert.That(() => new MemoryMeter(memory), Throws.InvalidOperationException);
        }

        Assert.That(Observe(), Is.Empty);
    }

    /// <summary>Collects once. Keys are an instrument's name and attributes; each has a unit and comes once.</summary>
    private static Dictionary<string, long> Observe()
    {
        Dictionary<string, long> values = [];
        using MeterListener listener = new();
        listener.InstrumentPublished = (instrument, self) =>
        {
            if (instrument.Meter.Name == MemoryMeter.Name)
            {
                Assert.That(instrument.Unit, Is.Not.Empty);
                self.EnableMeasurementEvents(instrument);
            }
        };
        listener.SetMeasurementEventCallback<long>((instrument, value, attributes, _) =>
        {
            string key = instrument.Name;
            foreach ((string name, object? attribute) in attributes)
                key += $" {name}={attribute}";

            values.Add(key, value);
        });
        listener.Start();
        listener.RecordObservableInstruments();
        return values;
    }
}
