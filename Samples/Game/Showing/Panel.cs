// Flat drawings over the world: rectangles and text.
using System.Runtime.InteropServices;
using SuperSlab;
using SuperSlab.Collections;

namespace Samples.Game.Showing;

/// <summary>
/// A rectangle in pixels from the top left, with the dots of a character; the graphics card reads this layout.
/// </summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly record struct Mark(float X, float Y, float Width, float Height, uint Color, uint Low, uint High)
{
    private readonly uint _padding;
}

/// <summary>
/// Collects a frame's rectangles and texts in memory that it has from the start: what has no room is left out. Text is
/// written by <see cref="NativeText"/>, without strings.
/// </summary>
internal sealed class Panel(ArenaRef arena)
{
    public const int Capacity = 8192;
    public const int Scale = 2;
    public const int LineHeight = (Font.Height + 3) * Scale;
    private const int Advance = (Font.Width + 1) * Scale;
    private const int TextBytes = 256;
    private readonly NativeArray<Mark> _marks = new(arena, Capacity);
    private int _count;

    /// <summary>The line that is being written, cleared by <see cref="Write"/>.</summary>
    public NativeText Text { get; } = new(arena, TextBytes);

    public ReadOnlySpan<Mark> Marks => _marks.AsSpan()[.._count];

    public void Clear() => _count = 0;

    public void Fill(float x, float y, float width, float height, uint color) =>
        Add(new Mark(x, y, width, height, color, uint.MaxValue, uint.MaxValue));

    /// <summary>Writes <see cref="Text"/> at a place, and clears it.</summary>
    public void Write(float x, float y, uint color)
    {
        Write(Text.AsSpan(), x, y, color);
        Text.Clear();
    }

    public void Write(ReadOnlySpan<byte> text, float x, float y, uint color)
    {
        foreach (byte character in text)
        {
            ulong dots = Font.Dots(character);
            if (dots != 0)
                Add(new Mark(x, y, Font.Width * Scale, Font.Height * Scale, color, (uint)dots, (uint)(dots >> 32)));

            x += Advance;
        }
    }

    /// <summary>Adds what another panel has.</summary>
    public void Add(ReadOnlySpan<Mark> marks)
    {
        int count = Math.Min(marks.Length, Capacity - _count);
        marks[..count].CopyTo(_marks.AsSpan()[_count..]);
        _count += count;
    }

    private void Add(in Mark mark)
    {
        if (_count < Capacity)
            _marks.AsSpan()[_count++] = mark;
    }
}
