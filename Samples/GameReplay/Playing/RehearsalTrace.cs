using Samples.GameReplay.Tracing;

namespace Samples.GameReplay.Playing;

/// <summary>
/// A small made-up trace in which every thread does everything that can stand in a trace. It is played before the
/// measurement on an allocator that is then thrown away, so that every method is compiled, every thread has used its
/// stack and its thread-local memory, and the frames that follow hold nothing but the allocator's own work.
/// </summary>
internal static class RehearsalTrace
{
    private const int Rounds = 3;
    private const int SmallBlocks = 300;
    private static readonly ulong[] SmallSizes = [0, 1, 16, 17, 100, 128, 129, 700, 1024, 1025, 5000, 40_000, 65_537];
    private static readonly ulong[] LargeSizes = [300_000, 3_145_736, 40_000_000];

    /// <summary>Writes the trace for a number of threads.</summary>
    public static byte[] Write(int threads, bool withLargeBlocks)
    {
        var trace = new TraceWriter();
        List<ulong>[] kept = new List<ulong>[threads];
        for (int round = 0; round < Rounds; round++)
        {
            for (int thread = 0; thread < threads; thread++)
            {
                if (thread > 0 || (round > 0 && threads > 1))
                    trace.Thread(thread);

                List<ulong> blocks = [];
                PlaySmall(trace, blocks);
                if (withLargeBlocks && thread < 2)
                    PlayLarge(trace, blocks);

                // Blocks of the same round come from a thread that plays at the same time, older ones from before the
                // meeting.
                Free(trace, kept[(thread + threads - 1) % threads]);
                kept[thread] = blocks;
            }

            trace.Frame();
        }

        return trace.ToFile();
    }

    private static void PlaySmall(TraceWriter trace, List<ulong> blocks)
    {
        foreach (ulong size in SmallSizes)
        {
            blocks.Add(trace.Alloc(size));
            blocks.Add(trace.AllocZeroed(size));
            trace.Free(trace.AllocZeroed(size));
        }

        for (int block = 0; block < SmallBlocks; block++)
            blocks.Add(trace.Alloc(48));

        for (ulong alignment = 16; alignment <= 4096; alignment *= 4)
        {
            ulong aligned = trace.AllocAligned(200, alignment);
            trace.Realloc(aligned, 210);
            trace.Realloc(aligned, 3000);
            trace.Free(aligned);
        }

        ulong resized = trace.Alloc(10);
        foreach (ulong size in (ReadOnlySpan<ulong>)[12, 500, 20_000, 100])
            trace.Realloc(resized, size);

        trace.Free(resized);
    }

    private static void PlayLarge(TraceWriter trace, List<ulong> blocks)
    {
        foreach (ulong size in LargeSizes)
        {
            ulong large = trace.Alloc(size);
            trace.Realloc(large, size + (size / 2));
            trace.Free(large);
            trace.Free(trace.AllocZeroed(size));
        }

        blocks.Add(trace.Alloc(LargeSizes[0]));
    }

    private static void Free(TraceWriter trace, List<ulong>? blocks)
    {
        foreach (ulong block in blocks ?? [])
            trace.Free(block);

        blocks?.Clear();
    }
}
