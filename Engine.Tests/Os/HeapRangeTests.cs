using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Engine.Tests.Support;

namespace Engine.Tests.Os;

/// <summary>What is the collector's of the memory that the kernel shows in one piece with its heap.</summary>
internal sealed unsafe partial class HeapRangeTests
{
    private const nuint Neighbour = 0x100_0000;
    private static readonly nuint Heap = Size.GiB(64);
    private static readonly nuint Bytes = Size.GiB(16);
    private static readonly nuint End = Heap + Bytes;
    private static readonly nuint AnObject = Heap + Size.MiB(32);

    [Test]
    public void A_heap_without_neighbours_is_known_to_the_byte()
    {
        HeapRange range = new(Bytes);
        Assert.That(range.TryNote(AnObject, Heap, End), Is.True);
        Assert.That(range.Contains(Heap), Is.True);
        Assert.That(range.Contains(End - 1), Is.True);
        Assert.That(range.Contains(Heap - 1), Is.False);
        Assert.That(range.Contains(End), Is.False);
    }

    [Test]
    public void A_neighbour_that_comes_later_is_known_as_one()
    {
        HeapRange range = new(Bytes);
        range.TryNote(AnObject, Heap, End);
        Assert.That(range.TryNote(AnObject, Heap - Neighbour, End + Neighbour), Is.True);
        Assert.That(range.Contains(Heap - 1), Is.False);
        Assert.That(range.Contains(End), Is.False);
        Assert.That(range.Contains(AnObject), Is.True);
    }

    [Test]
    public void With_a_neighbour_from_the_start_it_is_said_what_is_not_known()
    {
        HeapRange below = new(Bytes);
        below.TryNote(AnObject, Heap - Neighbour, End);
        Assert.That(below.Contains(Heap), Is.True);
        Assert.That(below.Contains(Heap - 1), Is.Null, "the range may begin there and end earlier");
        Assert.That(below.Contains(End - Neighbour - 1), Is.True);
        Assert.That(below.Contains(End - Neighbour), Is.Null);
        Assert.That(below.Contains(Heap - Neighbour - 1), Is.False);

        HeapRange above = new(Bytes);
        above.TryNote(AnObject, Heap, End + (16 * Neighbour));
        Assert.That(above.Contains(Heap), Is.Null);
        Assert.That(above.Contains(AnObject), Is.True, "the range does not begin behind an object");
        Assert.That(above.Contains(End - 1), Is.True);
        Assert.That(above.Contains(End), Is.Null);
    }

    [Test]
    public void Readings_together_know_more_than_each()
    {
        HeapRange range = new(Bytes);
        range.TryNote(AnObject, Heap - Neighbour, End);
        range.TryNote(AnObject, Heap, End + Neighbour);
        Assert.That(range.Contains(Heap - 1), Is.False);
        Assert.That(range.Contains(Heap), Is.True);
        Assert.That(range.Contains(End - 1), Is.True);
        Assert.That(range.Contains(End), Is.False);
    }

    [Test]
    public void What_contradicts_is_not_taken_in()
    {
        HeapRange range = new(Bytes);
        Assert.That(range.TryNote(AnObject, Heap, End - 1), Is.False, "smaller than the range");
        Assert.That(range.TryNote(AnObject, Heap, End), Is.True);
        Assert.That(range.TryNote(Heap + (8 * Bytes), Heap + (7 * Bytes), Heap + (9 * Bytes)), Is.False, "elsewhere");
        Assert.That(range.Contains(Heap), Is.True);
    }

    [Test]
    public void Without_a_size_nothing_is_known()
    {
        HeapRange range = new(0);
        Assert.That(range.TryNote(AnObject, Heap, End), Is.False);
        Assert.That(range.Contains(AnObject), Is.Null);
    }

    [Test]
    [Platform("Linux")]
    public void Memory_that_the_kernel_joins_with_the_range_is_told_apart()
    {
        const nuint Each = 1 << 20;
        const int Anonymous = 0x22; // MAP_PRIVATE | MAP_ANONYMOUS
        const int Fixed = 0x10;
        nint place = mmap(0, 5 * Each, 0, Anonymous, -1, 0);
        Assert.That(place, Is.Not.EqualTo((nint)(-1)));
        try
        {
            nuint heap = (nuint)place + (2 * Each);
            Map(heap, Each);
            ProcessMappings mappings = new(new LinuxFiles(new SystemLibraries()));
            HeapRange range = new(Each);
            Assert.That(Note(), Is.EqualTo((heap, heap + Each)));
            Map(heap - Each, Each);
            Map(heap + Each, Each);
            Assert.That(Note(), Is.EqualTo((heap - Each, heap + (2 * Each))), "in one piece");
            Assert.That(range.Contains(heap - 1), Is.False);
            Assert.That(range.Contains(heap), Is.True);
            Assert.That(range.Contains(heap + Each - 1), Is.True);
            Assert.That(range.Contains(heap + Each), Is.False);

            (nuint, nuint) Note()
            {
                mappings.Read();
                ProcessMapping mapping = mappings.All[mappings.IndexOf(heap)];
                Assert.That(range.TryNote(heap + 64, mapping.Start, mapping.End), Is.True);
                return (mapping.Start, mapping.End);
            }
        }
        finally
        {
            _ = munmap(place, 5 * Each);
        }

        static void Map(nuint address, nuint bytes)
        {
            const int ReadWrite = 3;
            Assert.That(mmap((nint)address, bytes, ReadWrite, Anonymous | Fixed, -1, 0), Is.EqualTo((nint)address));
        }
    }

    [Test]
    [Platform("Linux")]
    public void The_collectors_objects_are_in_its_range()
    {
        Assert.That(HeapRange.TellBytes(), Is.GreaterThan((nuint)Size.MiB(64)));
        LinuxFiles files = new(new SystemLibraries());
        MappingOwners owners = new(new ProcessMappings(files), files, static _ => false);
        owners.Read();
        object small = new();
        byte[] large = new byte[1 << 20];
        byte[] pinned = GC.AllocateArray<byte>(1000, pinned: true);
        foreach (object one in (object[])[small, large, pinned])
        {
            object target = one;
            nuint address = Unsafe.As<object, nuint>(ref target);
            Assert.That(owners.TryFind(address, out string kind, out _), Is.True);
            Assert.That(kind, Is.EqualTo(MappingKinds.GcHeap));
        }
    }

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint mmap(nint address, nuint bytes, int protection, int flags, int file, nint offset);

    [LibraryImport("libc")]
    private static partial int munmap(nint address, nuint bytes);
}
