using Silk.NET.Core.Contexts;

namespace SuperSlab;

/// <content>Which caches are sampled, and what goes with thrown blocks; see <see cref="SampleTables"/>.</content>
internal sealed unsafe partial class CounterBoard : IDisposable
{
    // Made with the first sampling, and never replaced: threads that free blocks read it.
    private SampleTables* _samples;
    private INativeContext? _context;

    /// <summary>Why samples have no call stacks; empty where they have.</summary>
    public string NoStacks { get; private set; } = "";

    /// <summary>
    /// Begins to sample all caches, those made later included. Earlier samples are forgotten. At level load.
    /// </summary>
    /// <param name="meanBytes">Bytes between two samples, on average.</param>
    /// <param name="seed">Where the random distances begin.</param>
    /// <param name="limits">The tables' sizes, of a memory's first sampling.</param>
    /// <param name="context">Where the system's functions are found.</param>
    /// <returns>False, and nothing is changed, where the memory is sampled already.</returns>
    public bool TryBeginSampling(long meanBytes, ulong seed, in SampleLimits limits, INativeContext context)
    {
        string noStacks = "";
        SampleTables* made = _samples == null ? SampleTables.Make(limits, context, out noStacks) : null;
        if (made != null)
        {
            SampleTables.FindStack(made, ThreadSlots.Take());
            SampleTables.Rehearse(made);
        }

        bool begins;
        lock (_changing)
        {
            if (_samples == null)
            {
                _samples = made;
                made = null;
                (_context, NoStacks) = (context, noStacks);
            }

            begins = SampleTables.TryBegin(_samples, meanBytes, seed);
            if (begins)
            {
                // No thread may take a sample before all others forget theirs when they free.
                ForAll(&SetTables);
                Interlocked.MemoryBarrierProcessWide();
                ForAll(&SampleTables.Arm);
            }
        }

        if (made != null)
            SampleTables.Free(made, context);

        PrepareStack(ThreadSlots.Take());
        return begins;
    }

    /// <summary>
    /// The calling thread asks the system where its stack lies, once, and before a sample needs it. Under no lock.
    /// </summary>
    /// <param name="slot">The thread's.</param>
    public void PrepareStack(int slot)
    {
        if (_samples != null && slot != 0 && ThreadSlots.StackOf(slot)[1] == 0)
            SampleTables.FindStack(_samples, slot);
    }

    /// <summary>Takes no more samples. Those of living blocks stay as long as these.</summary>
    public void EndSampling()
    {
        lock (_changing)
        {
            if (_samples == null)
                return; // the memory is disposed

            SampleTables.End(_samples);
            ForAll(&SampleTables.Arm);
        }
    }

    /// <summary>What was sampled; null where it never was.</summary>
    public SampleReading? ReadSamples() => _samples == null ? null : SampleTables.Read(_samples);

    /// <summary>A block is freed: its sample goes, before its memory may be another's.</summary>
    public void Forget(nuint block) => SampleTables.Forget(_samples, block);

    /// <summary>Takes out the sample of a block that may move; null where it has none.</summary>
    public SampledBlock? TakeSample(nuint block) =>
        _samples != null && SampleTables.TryTake(_samples, block, out SampledBlock sample) ? sample : null;

    /// <summary>The block did not move, and lives on.</summary>
    public void PutSample(nuint block, in SampledBlock sample) => SampleTables.Put(_samples, block, sample);

    /// <summary>A slab is thrown away with its blocks.</summary>
    public void ForgetSlab(nuint start)
    {
        if (_samples != null)
            SampleTables.ForgetSlab(_samples, start);
    }

    /// <summary>An arena's blocks are thrown away.</summary>
    public void ForgetArena(Reservation reservation, uint arenaTag)
    {
        if (_samples != null)
            SampleTables.ForgetArena(_samples, reservation, arenaTag);
    }

    /// <summary>Frees the tables, when all arenas are gone.</summary>
    public void Dispose()
    {
        if (_samples != null)
            SampleTables.Free(_samples, _context!);

        _samples = null;
    }

    /// <summary>The calling thread's new cache is sampled like the others. Under the board's lock.</summary>
    private void Join(ThreadCache* cache)
    {
        SetTables(_samples, ThreadCounters.PointOf(cache));
        SampleTables.Arm(_samples, ThreadCounters.PointOf(cache));
    }

    private static void SetTables(SampleTables* tables, SamplePoint* point) => point->Tables = tables;

    private void ForAll(delegate*<SampleTables*, SamplePoint*, void> act)
    {
        NativeLock.Enter(&_board->Lock);
        act(_samples, &_board->Uncached);
        for (Chunk* chunk = _board->First; chunk != null; chunk = chunk->Next)
        {
            for (long place = 0; place < chunk->Count; place++)
                act(_samples, ThreadCounters.PointOf((ThreadCache*)chunk->Caches[place]));
        }

        NativeLock.Exit(&_board->Lock);
    }
}
