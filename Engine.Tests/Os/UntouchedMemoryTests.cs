using System.Runtime.InteropServices;
using Engine.Tests.Support;

namespace Engine.Tests.Os;

/// <summary>
/// Naming memory for a profile leaves it as it is: /proc/self/mem makes what it reads resident, so that SuperSlabs
/// without an owner would hold memory that no trim knows of.
/// </summary>
[Platform("Linux")]
[Category(Machine.NeedsRealKernel)]
internal sealed unsafe class UntouchedMemoryTests
{
    private static readonly nuint ArenaBytes = Size.MiB(64);
    private readonly LinuxFiles _files = new(new SystemLibraries());

    [Test]
    public void A_mapping_where_an_arena_of_the_C_library_could_begin_stays_without_pages()
    {
        VirtualMemory os = VirtualMemory.Create();
        using ReservedRange range = new(os, ArenaBytes, ArenaBytes);
        os.Commit(range.Address, Size.MiB(2));
        MappingOwners owners = new(new ProcessMappings(_files), _files, static _ => false);
        owners.Read();
        Assert.That(owners.TryFind((nuint)range.Address, out string kind, out _), Is.True);
        Assert.That(kind, Is.EqualTo(MappingKinds.Anonymous));
        AssertAbsent(os, range);
    }

    [Test]
    public void The_engines_memory_is_not_taken_for_an_arena_of_the_C_library()
    {
        VirtualMemory os = VirtualMemory.Create();
        using ReservedRange range = new(os, ArenaBytes, ArenaBytes);
        os.Commit(range.Address, Size.MiB(2));
        *(nint*)range.Address = range.Address + 64;
        Assert.That(KindFor(static _ => false), Is.EqualTo(MappingKinds.MallocHeap), "it looks like one");
        Assert.That(KindFor(address => address == range.Address), Is.EqualTo(MappingKinds.Anonymous));

        string KindFor(Predicate<nint> isEngines)
        {
            MappingOwners owners = new(new ProcessMappings(_files), _files, isEngines);
            owners.Read();
            Assert.That(owners.TryFind((nuint)range.Address, out string kind, out _), Is.True);
            return kind;
        }
    }

    [Test]
    public void An_arena_of_the_C_library_is_known()
    {
        MappingOwners owners = new(new ProcessMappings(_files), _files, static _ => false);
        string kind = "";
        Thread thread = new(() =>
        {
            void* block = NativeMemory.Alloc(1000);
            owners.Read();
            owners.TryFind((nuint)block, out kind, out _);
            NativeMemory.Free(block);
        });
        thread.Start();
        thread.Join();
        Assume.That(RuntimeInformation.RuntimeIdentifier, Does.Not.Contain("musl"), "it has no arenas");
        Assert.That(kind, Is.EqualTo(MappingKinds.MallocHeap));
    }

    [Test]
    public void What_is_taken_for_a_caller_stays_without_pages()
    {
        VirtualMemory os = VirtualMemory.Create();
        using ReservedRange range = new(os, Size.MiB(2));
        os.Commit(range.Address, range.Bytes);
        nuint address = (nuint)range.Address + 4096 + 64;
        Assert.That(new CallSites(_files, new SystemLibraries()).PlacesOf([address]), Is.Empty);
        AssertAbsent(os, range);
    }

    private static void AssertAbsent(VirtualMemory os, ReservedRange range)
    {
        long pages = (long)(Size.MiB(2) / os.Facts.PageBytes);
        Assert.That(os.PagesThatWouldFault(range.Address, Size.MiB(2)), Is.EqualTo(pages).Or.EqualTo(-1));
    }
}
