using Engine.Tests.Support;

namespace Engine.Tests.Heap;

internal sealed unsafe class MetadataHeapTests
{
    [Test]
    public void Objects_are_zeroed_apart_and_aligned()
    {
        using LowerLayers layers = new();
        Random random = TestRandom.Create();
        ShadowModel model = new();
        for (int round = 0; round < 3_000; round++)
        {
            nuint bytes = (nuint)random.Next(1, round % 10 == 0 ? (int)MetadataHeap.LargestBytes + 1 : 2048);
            if (model.Count > 200)
            {
                void* old = model.Pick(random, out nuint oldBytes);
                model.Remove(old);
                layers.Heap.Free(old, oldBytes);
            }

            void* block = layers.Heap.Allocate(bytes);
            Assert.That(
                new ReadOnlySpan<byte>(block, (int)bytes).IndexOfAnyExcept((byte)0), Is.EqualTo(-1),
                "zeroed, also when it is used again");
            model.Add(block, bytes, alignment: bytes > 960 ? 1024u : 64u);
        }

        model.CheckAll();
    }

    [Test]
    public void A_freed_object_is_the_next_of_its_size()
    {
        using LowerLayers layers = new();
        void* block = layers.Heap.Allocate(1024);
        nuint used = layers.Heap.UsedBytes;
        layers.Heap.Free(block, 1024);
        Assert.That((nint)layers.Heap.Allocate(1000), Is.EqualTo((nint)block));
        Assert.That(layers.Heap.UsedBytes, Is.EqualTo(used));
    }

    [Test]
    public void What_is_left_of_a_chunk_is_not_thrown_away()
    {
        using LowerLayers layers = new();
        layers.Heap.Allocate(960);
        layers.Heap.Allocate(960);
        layers.Heap.Allocate(960);
        layers.Heap.Allocate(960); // 4 x 960 of 4096: 256 are left
        nuint used = layers.Heap.UsedBytes;
        layers.Heap.Allocate(960); // a new chunk
        Assert.That(layers.Heap.UsedBytes, Is.EqualTo(used + 4096));
        layers.Heap.Allocate(256); // the rest of the first
        Assert.That(layers.Heap.UsedBytes, Is.EqualTo(used + 4096));
    }

    [Test]
    public void What_was_promised_is_used_without_faults_and_OS_calls()
    {
        HotLoopCost cost = HotLoopCost.BestOf(5, () =>
        {
            using LowerLayers layers = new();
            MetadataPromise promise = new();
            layers.Heap.Promise(promise, 1 * Sizes.MiB);
            return HotLoopCost.Of(layers, () =>
            {
                for (int done = 0; done < 1024; done++)
                    *(long*)layers.Heap.Allocate(1024, promise) = done;
            });
        });
        Assert.That(cost, Is.EqualTo(HotLoopCost.Nothing));
    }

    [Test]
    public void A_full_heap_says_so_and_goes_on_with_what_is_freed()
    {
        using LowerLayers layers = new(bytes: 64 * Sizes.MiB);
        void* first = layers.Heap.Allocate(MetadataHeap.LargestBytes);
        Assert.That(
            () =>
            {
                while (true)
                    layers.Heap.Allocate(MetadataHeap.LargestBytes);
            },
            Throws.TypeOf<EngineOutOfMemoryException>().With.Message.Contains("metadata"));
        layers.Heap.Free(first, MetadataHeap.LargestBytes);
        Assert.That((nint)layers.Heap.Allocate(MetadataHeap.LargestBytes), Is.EqualTo((nint)first));
    }

    [TestCase(64)]
    [TestCase(128)]
    [TestCase(4096)]
    public void What_is_retired_reads_as_zero_until_as_much_was_retired_after_it(int bytes)
    {
        using LowerLayers layers = new();
        byte* first = (byte*)layers.Heap.Allocate((nuint)bytes);
        new Span<byte>(first, bytes).Fill(0xFF);
        layers.Heap.Retire(first, (nuint)bytes);
        Random random = TestRandom.Create();
        nuint retired = 0;
        List<nint> order = [];
        while (true)
        {
            // Other sizes make it wait as well.
            nuint other = (nuint)(random.Next(4) == 0 ? random.Next(1, 8192) : bytes);
            nint block = (nint)layers.Heap.Allocate(other);
            if (block == (nint)first)
                break;

            Assert.That(new ReadOnlySpan<byte>(first, bytes - 24).IndexOfAnyExcept((byte)0), Is.EqualTo(-1));
            Assert.That(*(long*)(first + bytes - 8), Is.Zero, "the last word");
            layers.Heap.Retire((void*)block, other);
            retired += other;
            Assert.That(retired, Is.LessThan(3 * layers.Heap.WaitBytes), "it is used again at last");
        }

        Assert.That(retired + Sizes.KiB, Is.GreaterThan(layers.Heap.WaitBytes / 2), "and not before");
        Assert.That(
            new ReadOnlySpan<byte>(first, bytes).IndexOfAnyExcept((byte)0), Is.EqualTo(-1), "zeroed for the next");
    }

    [Test]
    public void A_full_heap_uses_what_is_retired_the_oldest_first()
    {
        using LowerLayers layers = new(bytes: 64 * Sizes.MiB);
        nint[] retired = [.. Enumerable.Range(0, 3).Select(_ => (nint)layers.Heap.Allocate(MetadataHeap.LargestBytes))];
        Assert.That(
            () =>
            {
                while (true)
                    layers.Heap.Allocate(MetadataHeap.LargestBytes);
            },
            Throws.TypeOf<EngineOutOfMemoryException>());
        foreach (nint block in retired)
            layers.Heap.Retire((void*)block, MetadataHeap.LargestBytes);

        foreach (nint block in retired)
            Assert.That((nint)layers.Heap.Allocate(MetadataHeap.LargestBytes), Is.EqualTo(block));
    }

    [Test]
    public void Several_threads_never_get_the_same_object()
    {
        using LowerLayers layers = new();
        nint[][] taken = new nint[4][];
        Workers.Run(4, thread =>
        {
            nint[] mine = taken[thread] = new nint[2_000];
            for (int index = 0; index < mine.Length; index++)
            {
                mine[index] = (nint)layers.Heap.Allocate(64);
                if (index % 3 == 0)
                {
                    layers.Heap.Free((void*)mine[index], 64);
                    mine[index] = (nint)layers.Heap.Allocate(64);
                }
            }
        });

        nint[] all = [.. taken.SelectMany(addresses => addresses)];
        Assert.That(all.Distinct().Count(), Is.EqualTo(all.Length));
    }

    [Test]
    public void Two_promises_are_both_kept_without_the_system()
    {
        using LowerLayers layers = new();
        MetadataPromise first = new();
        MetadataPromise second = new();
        layers.Heap.Promise(first, Sizes.MiB);
        layers.Heap.Promise(second, Sizes.MiB);
        long osCalls = layers.Os.OsCalls;
        for (nuint got = 0; got < 2 * Sizes.MiB; got += 1024)
            Assert.That(layers.Heap.Allocate(1024, got % 2048 == 0 ? first : second) != null);

        Assert.That(layers.Os.OsCalls, Is.EqualTo(osCalls));
        layers.Heap.Validate();
    }

    [Test]
    public void What_was_promised_to_one_is_never_used_for_another()
    {
        using LowerLayers layers = new();
        MetadataPromise promised = new();
        layers.Heap.Promise(promised, Sizes.MiB);
        MetadataPromise small = new();
        layers.Heap.Promise(small, 8 * 1024);
        for (int taken = 0; taken < 3_000; taken++)
        {
            // three times as much as is there, and more than the small promise
            layers.Heap.Allocate(1024, taken % 3 == 0 ? small : null);
        }

        layers.Heap.Validate();
        long osCalls = layers.Os.OsCalls;
        for (nuint got = 0; got < Sizes.MiB; got += 1024)
            Assert.That(layers.Heap.TryAllocateReady(1024, promised) != null);

        Assert.That(layers.Os.OsCalls, Is.EqualTo(osCalls));
        layers.Heap.Withdraw(promised, Sizes.MiB);
        Assert.That(promised.LeftBytes, Is.EqualTo((nuint)0), "it was used up: nothing is taken back");
        layers.Heap.Validate();
    }
}
