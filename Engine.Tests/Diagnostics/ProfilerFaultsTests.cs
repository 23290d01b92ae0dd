using Engine.Tests.Os;
using Engine.Tests.Support;

namespace Engine.Tests.Diagnostics;

/// <summary>Page faults that a profiler has stand in the frames of the profile, whatever else begins frames.</summary>
internal sealed unsafe class ProfilerFaultsTests : ArenaFixture
{
    protected override EngineMemoryOptions Options => new()
    {
        ReservationBytes = Size.GiB(1),
        Prefault = PrefaultPolicy.None,
        Pages = PageKind.Normal,
        Checks = MemoryChecks.Off,
    };

    [TestCase("profiler, faults")]
    [TestCase("faults, profiler")]
    [TestCase("profiler")]
    public void Owners_stand_in_the_frame_that_took_the_faults(string order)
    {
        Assume.That(Faults.HaveAddresses, "the kernel tells the addresses of faults");
        using FaultAttribution faults = new(Memory);
        using Profiler profiler = new(Memory) { Faults = faults };
        using ObservedThread main = faults.ObserveThisThread("main");
        GameFrames frames = new();
        foreach (string part in order.Split(", "))
            frames.Add(part == "faults" ? faults : profiler);

        byte* block = (byte*)Arena.Allocate(1 << 20);
        for (int frame = 0; frame < 6; frame++)
        {
            using (frames.Begin())
            {
                if (frame == 3)
                    Touch(block, 1 << 20);
            }
        }

        ProfileFaults table = profiler.ToDocument("test").Faults!;
        ProfileFaults.OwnerInFrame[] rows = [.. table.Frames.Where(row => row.Kind == FaultKinds.Payload)];
        Assert.That(rows, Is.Not.Empty);
        Assert.That(rows.Select(row => row.Frame), Is.All.EqualTo(3));
    }

    private static void Touch(byte* block, int bytes)
    {
        for (int at = 0; at < bytes; at += Environment.SystemPageSize)
            block[at] = 1;
    }
}
