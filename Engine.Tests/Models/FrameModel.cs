using Engine.Tests.Support;

namespace Engine.Tests.Models;

/// <summary>
/// A frame arena of one lane and two buffers beside its model: what this frame and the last one hold, and the marks. A
/// mark may be rewound to as long as no rewind went below it.
/// </summary>
internal sealed unsafe class FrameModel(EngineMemory memory, FrameArena arena)
{
    private readonly List<Mark> _marks = [];
    private List<(nint Address, int Bytes, byte Value)> _last = [];
    private List<(nint Address, int Bytes, byte Value)> _current = [];
    private byte _value;

    public FrameArena Arena => arena;

    public void Do(Operation operation)
    {
        switch (operation.Kind)
        {
            case OperationKind.Bump:
                Add(arena.Lane(0).Allocate((nuint)operation.Size), operation.Size, 16);
                break;
            case OperationKind.BumpAligned:
                nuint alignment = (nuint)1 << (operation.Which % 22);
                Add(arena.Lane(0).Allocate((nuint)operation.Size, alignment), operation.Size, nuint.Max(alignment, 16));
                break;
            case OperationKind.BeginScope or OperationKind.TakeMark:
                _marks.Add(new Mark(arena.Lane(0).Mark(), arena.Lane(0).UsedBytes, [.. _current], true));
                break;
            case OperationKind.EndScope when _marks.Count != 0:
                Rewind(_marks[^1]);
                _marks.RemoveAt(_marks.Count - 1);
                break;
            case OperationKind.RewindToMark when _marks.Count != 0:
                Rewind(_marks[operation.Which % _marks.Count]);
                break;
            case OperationKind.NextFrame:
                Turn();
                break;
            case OperationKind.TrimFrame:
                Turn();
                Trim();
                break;
        }

        Check();
    }

    /// <summary>After frames over plan and a trim, a frame that needs its lane and one spare makes no OS call, also
    /// when the reserve is empty.</summary>
    public void PlayPlan(bool isOver)
    {
        Turn();
        if (isOver)
        {
            Add(arena.Lane(0).Allocate(Size.MiB(5)), 5 << 20, 16);
            Turn();
            Add(arena.Lane(0).Allocate(Size.MiB(3)), 3 << 20, 16);
        }

        Turn();
        Trim();
        memory.Trim();
        long before = memory.OsCalls;
        Add(arena.Lane(0).Allocate(arena.LaneBytes), (int)arena.LaneBytes, 16);
        Add(arena.Lane(0).Allocate(Size.MiB(2)), 2 << 20, 16);
        Assert.That(memory.OsCalls - before, Is.Zero, "OS calls of a frame in plan");
        Turn();
        Trim();
    }

    /// <summary>Nothing that this frame or the last one allocated has changed, and none of it overlaps.</summary>
    public void Check()
    {
        foreach ((nint address, int bytes, byte value) in _last.Concat(_current))
        {
            Assert.That(
                new ReadOnlySpan<byte>((void*)address, bytes).IndexOfAnyExcept(value), Is.Negative, "a frame's data");
        }

        arena.Validate();
    }

    private void Rewind(Mark mark)
    {
        try
        {
            arena.Lane(0).Rewind(mark.Of);
            Assert.That(mark.IsValid, "a mark that was rewound below is refused");
        }
        catch (EngineMemoryException refused) when (!mark.IsValid)
        {
            Assert.That(refused.Message, Has.Length.GreaterThan(30));
            return;
        }

        _current = [.. mark.Before];
        for (int other = 0; other < _marks.Count; other++)
        {
            if (_marks[other].UsedBytes > mark.UsedBytes)
                _marks[other] = _marks[other] with { IsValid = false };
        }
    }

    private void Turn()
    {
        arena.NextFrame();
        _marks.Clear();
        (_last, _current) = (_current, []);
    }

    /// <summary>Right after <see cref="Turn"/>. The last frame may have had its blocks in what is given back.</summary>
    private void Trim()
    {
        arena.Trim();
        _last.Clear();
    }

    private void Add(void* address, int bytes, nuint alignment)
    {
        Assert.That((nuint)address % alignment, Is.EqualTo((nuint)0), "aligned");
        new Span<byte>(address, bytes).Fill(++_value);
        _current.Add(((nint)address, bytes, _value));
    }

    private sealed record Mark(
        FrameMark Of, nuint UsedBytes, List<(nint Address, int Bytes, byte Value)> Before, bool IsValid);
}
