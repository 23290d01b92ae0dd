using Engine.Arenas;
using Engine.Tests.Support;

namespace Engine.Tests.Models;

/// <summary>A frame arena of one lane and two buffers beside its model: what this frame and the last one hold, and the open scopes.</summary>
internal sealed unsafe class FrameModel(FrameArena arena)
{
    private readonly Stack<(FrameMark Mark, List<(nint Address, int Bytes, byte Value)> Outside)> _scopes = new();
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
            case OperationKind.BeginScope:
                _scopes.Push((arena.Lane(0).Mark(), [.. _current]));
                break;
            case OperationKind.EndScope when _scopes.Count != 0:
                (FrameMark mark, _current) = _scopes.Pop();
                arena.Lane(0).Rewind(mark);
                break;
            case OperationKind.NextFrame:
                Turn();
                break;
            case OperationKind.TrimFrame:
                Turn();
                arena.Trim();
                _last.Clear(); // the last frame may have had its blocks in what was given back
                break;
        }

        Check();
    }

    /// <summary>Nothing that this frame or the last one allocated has changed, and none of it overlaps.</summary>
    public void Check()
    {
        foreach ((nint address, int bytes, byte value) in _last.Concat(_current))
        {
            Assert.That(new ReadOnlySpan<byte>((void*)address, bytes).IndexOfAnyExcept(value), Is.Negative, "a frame's data");
        }

        arena.Validate();
    }

    private void Turn()
    {
        arena.NextFrame();
        _scopes.Clear();
        (_last, _current) = (_current, []);
    }

    private void Add(void* address, int bytes, nuint alignment)
    {
        Assert.That((nuint)address % alignment, Is.EqualTo((nuint)0), "aligned");
        new Span<byte>(address, bytes).Fill(++_value);
        _current.Add(((nint)address, bytes, _value));
    }
}
