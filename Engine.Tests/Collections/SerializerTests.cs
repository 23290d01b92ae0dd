using System.IO.Pipelines;
using Engine.Tests.Support;
using MemoryPack;
using MessagePack;
using MessagePack.Resolvers;
using Microsoft.IO;
using SuperSlab.Collections;

namespace Engine.Tests.Collections;

/// <summary>Serializers and streams that games use write into arenas and read from them.</summary>
internal sealed class SerializerTests : ArenaFixture
{
    private static readonly MessagePackSerializerOptions s_options =
        MessagePackSerializerOptions.Standard.WithResolver(TypelessContractlessStandardResolver.Instance);

    private readonly SavedGame _game = new(
        "plains", [.. Enumerable.Range(0, 20_000).Select(number => new SavedBody(number, number / 3f))]);

    [Test]
    public void MemoryPack_writes_into_an_arena_and_reads_from_it()
    {
        using ArenaBufferWriter<byte> buffer = new(Arena);
        MemoryPackSerializer.Serialize(buffer, _game);
        Assert.That(buffer.WrittenSpan.SequenceEqual(MemoryPackSerializer.Serialize(_game)));
        MustBeTheGame(MemoryPackSerializer.Deserialize<SavedGame>(buffer.WrittenSpan));
        buffer.Clear();
        MemoryPackSerializer.Serialize(buffer, _game with { Level = "caves" });
        Assert.That(MemoryPackSerializer.Deserialize<SavedGame>(buffer.WrittenSpan)!.Level, Is.EqualTo("caves"));
    }

    [Test]
    public void MessagePack_writes_into_an_arena_and_reads_from_it()
    {
        using ArenaBufferWriter<byte> buffer = new(Arena);
        MessagePackSerializer.Serialize(buffer, _game, s_options);
        Assert.That(buffer.WrittenSpan.SequenceEqual(MessagePackSerializer.Serialize(_game, s_options)));
        MustBeTheGame(MessagePackSerializer.Deserialize<SavedGame>(buffer.WrittenMemory, s_options));
    }

    [Test]
    public async Task A_recyclable_stream_is_read_through_an_arenas_pool()
    {
        RecyclableMemoryStreamManager streams = new();
        using RecyclableMemoryStream stream = streams.GetStream();
        using ArenaBufferWriter<byte> buffer = new(Arena);
        MemoryPackSerializer.Serialize(buffer, _game);
        stream.Write(buffer.WrittenSpan);
        stream.Position = 0;
        using ArenaMemoryPool<byte> pool = new(Arena);
        PipeReader reader = PipeReader.Create(stream, new StreamPipeReaderOptions(pool, bufferSize: 10_000));
        ReadResult result = await reader.ReadAtLeastAsync(buffer.WrittenCount);
        MustBeTheGame(MemoryPackSerializer.Deserialize<SavedGame>(result.Buffer));
        reader.AdvanceTo(result.Buffer.End);
        await reader.CompleteAsync();
        buffer.Dispose();
        Assert.That(Arena.LiveBlocks(), Is.Empty);
    }

    private void MustBeTheGame(SavedGame? read)
    {
        Assert.That(read?.Level, Is.EqualTo(_game.Level));
        Assert.That(read!.Bodies, Is.EqualTo(_game.Bodies));
    }
}

/// <summary>What a game saves.</summary>
[MemoryPackable]
public sealed partial record SavedGame(string Level, SavedBody[] Bodies);

/// <summary>A part of it.</summary>
[MemoryPackable]
public readonly partial record struct SavedBody(int Number, float Height);
