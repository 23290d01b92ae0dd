using Engine.Tests.Support;

namespace Engine.Tests.Heap;

/// <summary>Threads that end while they own blocks. Nothing may grow with their number.</summary>
internal sealed unsafe class ThreadDeathTests
{
    private const int BytesPerThread = 1 << 20;

    [Category(Engine.Tests.Os.Machine.NeedsRealKernel)]
    [Test]
    [Category(Lane.Slow)]
    public void Ten_thousand_threads_leave_no_more_behind_than_a_hundred()
    {
        using EngineMemory memory = new(new EngineMemoryOptions { ReservationBytes = Size.GiB(8) });
        using LongLivedArena arena = memory.CreateLongLivedArena("mortals");
        int seed = TestRandom.Seed();
        Queue<nint> inherited = new();
        int born = 0;
        Generations(100);
        double process = (double)ResidentMemory.Settled() / Sizes.MiB;
        (double afterHundred, double trimmedAfterHundred) = Resident();
        Generations(10_000);
        (double atTheEnd, double trimmedAtTheEnd) = Resident();
        TestContext.Out.WriteLine(
            $"{afterHundred:0.0} MiB resident after 100 threads (the process {process:0.0}), "
                + $"{trimmedAfterHundred:0.0} of them trimmed; " +
            $"{atTheEnd:0.0} after {born:N0}, {trimmedAtTheEnd:0.0} of them trimmed");

        // A kilobyte for each thread would be nine MiB. Before the trim the arena owns what its worst moment needed,
        // which is a matter of chance: among ten thousand lives some two meet later than the first hundred did.
        double noise = MemoryMap.IsReadable ? 1 : process * 0.05;
        Assert.That(trimmedAtTheEnd - trimmedAfterHundred, Is.LessThan(noise), "what a trim does not give back");
        Assert.That(atTheEnd, Is.LessThan((2 * afterHundred) + noise), "what the worst moment needed");
        memory.Validate();

        (double AsItIs, double Trimmed) Resident()
        {
            double asItIs = InTheReservation();
            while (inherited.TryDequeue(out nint block))
                arena.Free((void*)block);

            arena.Trim();
            memory.Trim();
            return (asItIs, InTheReservation());
        }

        double InTheReservation() =>
            (double)(MemoryMap.IsReadable ? MemoryMap.ResidentWithin(memory.ReservationBase, memory.ReservationBytes)
                : ResidentMemory.Settled()) / Sizes.MiB;

        void Generations(int until)
        {
            // Two threads live at a time. Each frees half of its blocks and what the dead before it left, and leaves
            // the other half.
            while (born < until)
            {
                born += 2;
                Queue<nint> next = new();
                // the same fifty lives over and over
                Workers.Run(2, thread => Live(new Random(seed + (born % 50) + thread), next));
                inherited = next;
            }
        }

        void Live(Random random, Queue<nint> next)
        {
            List<nint> mine = [];
            for (nuint bytes = 0; bytes < BytesPerThread;)
            {
                // Mixed sizes, small ones by number, large ones by bytes.
                nuint size = random.NextSize(random.Next(20) == 0 ? 16 : 11);
                byte* block = (byte*)arena.Allocate(size);
                block[0] = block[size - 1] = 1;
                mine.Add((nint)block);
                bytes += size;
            }

            for (int index = 0; index < mine.Count; index += 2)
                arena.Free((void*)mine[index]);

            lock (inherited)
            {
                while (inherited.TryDequeue(out nint block))
                    arena.Free((void*)block);
            }

            lock (next)
            {
                for (int index = 1; index < mine.Count; index += 2)
                    next.Enqueue(mine[index]);
            }
        }
    }

    [Test]
    public void Threads_that_die_with_full_caches_lose_no_block()
    {
        using EngineMemory memory = new(new EngineMemoryOptions { ReservationBytes = Size.GiB(1) });
        using LongLivedArena arena = memory.CreateLongLivedArena("mortals");
        for (int generation = 0; generation < 200; generation++)
        {
            Workers.Run(() =>
            {
                void*[] blocks = new void*[100];
                for (int index = 0; index < blocks.Length; index++)
                    blocks[index] = arena.Allocate(700);

                foreach (void* block in blocks)
                    arena.Free(block);
            });
        }

        Assert.That(arena.SuperSlabCount, Is.EqualTo(1), "each thread went on with the blocks of the one before it");
        arena.Trim();
        Assert.That(arena.SuperSlabCount, Is.Zero, "every block came home");
        memory.Validate();
    }
}
