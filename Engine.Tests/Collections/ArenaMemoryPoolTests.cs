using System.Buffers;
using System.IO.Pipelines;
using System.Text.Json;
using Engine.Tests.Support;
using SuperSlab.Collections;

namespace Engine.Tests.Collections;

/// <summary>.NET's own consumers over arenas: pipelines rent from one, JSON is written to one.</summary>
internal sealed class ArenaMemoryPoolTests : ArenaFixture
{
    [Test]
    public async Task A_pipe_over_an_arena_gives_what_went_in_and_all_blocks_back()
    {
        using ArenaMemoryPool<byte> pool = new(Arena);
        Pipe pipe = new(new PipeOptions(pool, pauseWriterThreshold: 0));
        byte[] sent = new byte[300_000];
        new Random(3).NextBytes(sent);
        Task writing = Task.Run(async () =>
        {
            for (int at = 0; at < sent.Length; at += 1_000)
                await pipe.Writer.WriteAsync(sent.AsMemory(at, 1_000));

            await pipe.Writer.CompleteAsync();
        });
        using MemoryStream got = new();
        await pipe.Reader.CopyToAsync(got);
        await pipe.Reader.CompleteAsync();
        await writing;
        Assert.That(got.ToArray(), Is.EqualTo(sent));
        Arena.Trim();
        Assert.That(Arena.LiveBlocks(), Is.Empty);
    }

    [Test]
    public void Json_is_written_to_an_arena_and_read_from_it()
    {
        Dictionary<string, int[]> document = new() { ["numbers"] = [.. Enumerable.Range(0, 5_000)], ["none"] = [] };
        using ArenaBufferWriter<byte> buffer = new(Arena);
        using (Utf8JsonWriter json = new(buffer))
            JsonSerializer.Serialize(json, document);

        Assert.That(buffer.WrittenSpan.SequenceEqual(JsonSerializer.SerializeToUtf8Bytes(document)));
        Utf8JsonReader reader = new(buffer.WrittenSpan);
        Assert.That(JsonSerializer.Deserialize<Dictionary<string, int[]>>(ref reader), Is.EqualTo(document));
        buffer.Clear();
        Assert.That(buffer.WrittenCount, Is.Zero);
    }

    [Test]
    public void A_writer_that_is_used_again_makes_no_garbage()
    {
        using ArenaBufferWriter<byte> buffer = new(Arena);
        using Utf8JsonWriter json = new(buffer);
        Write();
        long before = GC.GetAllocatedBytesForCurrentThread();
        Write();
        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.Zero);

        void Write()
        {
            buffer.Clear();
            json.Reset(buffer);
            json.WriteStartArray();
            for (int number = 0; number < 1_000; number++)
                json.WriteNumberValue(number);

            json.WriteEndArray();
            json.Flush();
        }
    }

    [Test]
    public unsafe void What_is_rented_stays_where_it_is_and_goes_back_once()
    {
        using ArenaMemoryPool<int> pool = new(Arena);
        IMemoryOwner<int> owner = pool.Rent(1_000);
        Assert.That(owner.Memory.Length, Is.GreaterThanOrEqualTo(1_000));
        owner.Memory.Span.Fill(7);
        using (MemoryHandle pinned = owner.Memory.Pin())
        {
            GC.Collect();
            Assert.That(*(int*)pinned.Pointer, Is.EqualTo(7));
        }

        Memory<int> left = owner.Memory;
        owner.Dispose();
        owner.Dispose();
        Assert.That(() => left.Span.Length, Throws.TypeOf<ObjectDisposedException>());
        Assert.That(Arena.LiveBlocks(), Is.Empty);
        Assert.That(() => pool.Rent(-2), Throws.TypeOf<ArgumentOutOfRangeException>());
        pool.Dispose();
        Assert.That(() => pool.Rent(), Throws.TypeOf<ObjectDisposedException>());
    }

    [Test]
    public void A_writer_refuses_to_go_beyond_its_room_and_ends_with_its_arena()
    {
        ArenaBufferWriter<int> buffer = new(Arena, 10);
        buffer.GetSpan(3)[0] = 1;
        Assert.That(() => buffer.Advance(buffer.Capacity + 1), Throws.TypeOf<ArgumentOutOfRangeException>());
        Assert.That(() => buffer.Advance(-1), Throws.TypeOf<ArgumentOutOfRangeException>());
        buffer.Advance(1);
        Assert.That((buffer.WrittenMemory.Length, buffer.WrittenMemory.Span[0]), Is.EqualTo((1, 1)));
        Arena.Reset();
        buffer.Abandon();
        buffer.GetMemory(5).Span.Fill(2);
        buffer.Dispose();
        buffer.Dispose();
        Assert.That(() => buffer.GetSpan(), Throws.TypeOf<ObjectDisposedException>());
    }
}
