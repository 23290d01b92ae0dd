namespace Engine.Tests.Support;

/// <summary>Threads that allocate and free blocks of random sizes, mostly each other's.</summary>
internal static unsafe class RandomUse
{
    private const int Threads = 4;

    /// <summary>
    /// Each block is put in the place of another one, which is freed; its first and its last byte must be as they were.
    /// </summary>
    /// <param name="arena">The arena.</param>
    /// <param name="steps">Blocks of each thread.</param>
    /// <param name="sharedBlocks">Places.</param>
    /// <param name="largest">The largest block; most are below 2,000 bytes.</param>
    /// <returns>How many blocks are left, which are not freed.</returns>
    public static int ByThreads(LongLivedArena arena, int steps, int sharedBlocks, int largest)
    {
        int seed = TestRandom.Seed();
        Held?[] shared = new Held?[sharedBlocks];
        Workers.Run(Threads, thread =>
        {
            Random random = new(seed + thread);
            for (int step = 0; step < steps; step++)
            {
                int bytes = random.Next(1, random.Next(40) == 0 ? largest : 2_000);
                byte content = (byte)random.Next(256);
                byte* block = (byte*)arena.Allocate((nuint)bytes);
                block[0] = block[bytes - 1] = content;
                ref Held? place = ref shared[random.Next(shared.Length)];
                if (Interlocked.Exchange(ref place, new Held((nint)block, bytes, content)) is not { } other)
                    continue;
                byte* freed = (byte*)other.Block;
                Assert.That((freed[0], freed[other.Bytes - 1]), Is.EqualTo((other.Content, other.Content)));
                arena.Free(freed);
            }
        });
        return shared.Count(block => block is not null);
    }

    private sealed record Held(nint Block, int Bytes, byte Content);
}
