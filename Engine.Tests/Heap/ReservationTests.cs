using Engine.Tests.Support;

namespace Engine.Tests.Heap;

internal sealed unsafe class ReservationTests
{
    [Test]
    public void The_base_is_aligned_to_a_SuperSlab_and_the_parts_lie_apart_and_inside()
    {
        using LowerLayers layers = new(bytes: 256 * Sizes.MiB);
        Reservation reservation = layers.Reservation;
        Assert.That((nuint)reservation.Base % SlabGeometry.SuperSlabBytes, Is.EqualTo((nuint)0));
        Assert.That(reservation.TotalBytes, Is.EqualTo(256 * Sizes.MiB));
        nuint[] starts =
        [
            (nuint)reservation.Base + reservation.BlockBytes,
            (nuint)reservation.Tags,
            (nuint)reservation.SlabDescriptors,
            (nuint)reservation.SuperSlabs,
            (nuint)reservation.Bitmaps.Address,
            (nuint)reservation.Heap.Address,
        ];
        Assert.That(starts, Is.Ordered);
        Assert.That((nuint)reservation.Tags, Is.GreaterThanOrEqualTo(starts[0]));
        Assert.That(
            (nuint)reservation.SlabDescriptors - (nuint)reservation.Tags,
            Is.GreaterThanOrEqualTo((nuint)(reservation.SuperSlabCount * 32 * 4)));
        Assert.That(
            (nuint)reservation.Heap.Address + reservation.Heap.LimitBytes,
            Is.LessThanOrEqualTo((nuint)reservation.Base + reservation.TotalBytes));
    }

    [Test]
    public void Addresses_and_numbers_belong_to_each_other()
    {
        using LowerLayers layers = new(bytes: 256 * Sizes.MiB);
        Reservation reservation = layers.Reservation;
        Assert.That(reservation.AddressOf(3), Is.EqualTo(reservation.Base + (3 << 21)));
        Assert.That(reservation.AddressOfSlab(33), Is.EqualTo(reservation.AddressOf(1) + (1 << 16)));
        Assert.That(reservation.Contains(reservation.Base), Is.True);
        Assert.That(reservation.Contains(reservation.Base - 1), Is.False);
        Assert.That(reservation.Contains(reservation.Base + (nint)reservation.BlockBytes - 1), Is.True);
        Assert.That(
            reservation.Contains(reservation.Base + (nint)reservation.BlockBytes), Is.False, "metadata is no block");
    }

    [Test]
    public void Every_tag_can_be_read_and_is_zero_before_anything_is_handed_out()
    {
        using LowerLayers layers = new(bytes: Size.GiB(4));
        ReadOnlySpan<uint> tags =
            new(layers.Reservation.Tags, layers.Reservation.SuperSlabCount * SlabGeometry.SlabCount);
        Assert.That(tags.IndexOfAnyExcept(0u), Is.EqualTo(-1));
    }

    [Test]
    public void Every_tag_can_be_read_also_after_and_while_the_system_refuses_memory()
    {
        Assume.That(OperatingSystem.IsLinux(), "mprotect is made to fail");
        const int ReadWrite = 3;
        using var context = new Os.FailingContext();
        using LowerLayers layers = new(bytes: Size.GiB(4), context);
        context.FailAlways("mprotect", errno: 12, argument: ReadWrite);
        Assert.That(() => layers.Reservation.EnsureTables(1_000), Throws.TypeOf<EngineOutOfMemoryException>());
        ReadOnlySpan<uint> tags =
            new(layers.Reservation.Tags, layers.Reservation.SuperSlabCount * SlabGeometry.SlabCount);
        Assert.That(tags.IndexOfAnyExcept(0u), Is.EqualTo(-1));
        context.Heal("mprotect");
        Assert.That(() => layers.Reservation.EnsureTables(1_000), Throws.Nothing);
    }

    [Category(Engine.Tests.Os.Machine.NeedsRealKernel)] // an emulator's own memory is in the figure
    [Test]
    public void The_default_takes_64_GiB_of_address_space_and_next_to_no_memory()
    {
        // The least of some attempts: the runtime's own memory comes and goes in the figure, and the reservation's
        // share is in each.
        double least = double.MaxValue;
        for (int attempt = 0; attempt < 3; attempt++)
        {
            nuint before = ResidentMemory.Settled();
            using EngineMemory memory = new();
            Assume.That(memory.ReservationBytes, Is.EqualTo(Size.GiB(64)), "the system allows that much");
            least = Math.Min(least, ResidentMemory.MiBSince(before));
        }

        Assert.That(least, Is.LessThan(8));
    }

    [Test]
    public void An_automatic_reservation_shrinks_where_the_system_says_no()
    {
        using var context = new Os.FailingContext();
        var os = VirtualMemory.Create(context);
        context.Fail("mmap", call: 1, errno: 12);
        Prefaulter prefaulter = new(os, default, default);
        using Reservation reservation = new(os, prefaulter, 0);
        Assert.That(reservation.TotalBytes, Is.EqualTo(Size.GiB(8)), "a quarter of the 32 GiB that it grants");
    }

    [TestCase(1u)]
    [TestCase(32u << 20)]
    [TestCase((64u << 20) + 4096)]
    public void Sizes_that_are_no_reservation_are_refused(uint bytes) =>
        Assert.That(() =>
            new LowerLayers(bytes),
            Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.Contains("multiple of 2 MiB"));

    [Test]
    public void Disposing_twice_gives_back_once()
    {
        LowerLayers layers = new(bytes: 64 * Sizes.MiB);
        layers.Dispose();
        long calls = layers.Os.OsCalls;
        layers.Dispose();
        Assert.That(layers.Os.OsCalls, Is.EqualTo(calls));
    }
}
