using Engine.Tests.Support;

namespace Engine.Tests.Api;

/// <summary>Whose an address is, asked while arenas come and go, as the threads of fault attribution and of the hot
/// loop's guard do.</summary>
internal sealed unsafe class AddressOwnersTests
{
    [Test]
    public void Owners_are_found_while_arenas_are_made_and_disposed()
    {
        using EngineMemory memory =
            new(new EngineMemoryOptions
            {
                ReservationBytes = Size.GiB(1),
                Prefault = PrefaultPolicy.None,
                Pages = PageKind.Normal
            });
        using LongLivedArena steady = memory.CreateLongLivedArena("steady");
        nint block = (nint)steady.Allocate(48);
        nint table = (nint)steady.Caches.Table;
        nint lane = 0;
        Exception? failure = null;
        Thread maker = new(() => failure = Caught(() =>
        {
            for (int round = 0; round < 500; round++)
            {
                using LongLivedArena blocks = memory.CreateLongLivedArena("blocks");
                using FrameArena frame =
                    memory.CreateFrameArena(
                    "frame", new FrameArenaOptions { BytesPerLane = 4096, OverflowSuperSlabs = 1 });
                Volatile.Write(ref lane, (nint)frame.Lane(0).Allocate(64 * 1024));
            }
        }));
        maker.Start();
        HashSet<string> found = [];
        Exception? asking = Caught(() =>
        {
            while (maker.IsAlive)
            {
                found.Add(memory.OwnerOf(block, out _)!);
                found.Add(memory.OwnerOf(table, out _)!);
                _ = Volatile.Read(ref lane) is not 0 and var moving ? memory.FindOwner(moving) : null;
            }
        });
        maker.Join();
        Assert.That(failure, Is.Null);
        Assert.That(asking, Is.Null);
        Assert.That(
            found, Is.EquivalentTo(
            new[] { "arena 'steady' (blocks of 48 bytes)",
            new AddressOwner(AddressOwner.Use.MetadataHeap, null, 0).Describe() }));
    }

    private static Exception? Caught(Action action)
    {
        try
        {
            action();
            return null;
        }
        catch (Exception error)
        {
            return error;
        }
    }
}
