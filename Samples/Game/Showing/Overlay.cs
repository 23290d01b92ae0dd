// What the memory does, drawn over the game: F1.
using System.Diagnostics;
using SuperSlab;
using SuperSlab.Collections;
using SuperSlab.Diagnostics;
using SuperSlab.Scenes;

namespace Samples.Game.Showing;

/// <summary>
/// The times of the last frames with the line of 16.7 ms, what the last frame did that it must not, and the live bytes
/// of arenas and tags beside their budgets. Allocates nothing after it was made, and measures itself.
/// </summary>
internal sealed class Overlay(EngineMemory memory)
{
    private const int Frames = 240;
    private const int FramesBetweenSnapshots = 15;
    private const int MostRows = 24;
    private const float Limit = 16.7f;
    private const float GraphHeight = 100;
    private const uint White = 0xFFFFFFFF;
    private const uint Green = 0xFF60E060;
    private const uint Red = 0xFF4040FF;
    private const uint Gray = 0xFFB0B0B0;
    private readonly float[] _milliseconds = new float[Frames];
    private readonly Row[] _rows = new Row[MostRows];
    private readonly byte[] _snapshot = new byte[512 * 1024];
    private readonly Playing.FrameTimes _cost = new(100_000);
    private int _rowCount;
    private int _tagsFrom;
    private long _frame;

    /// <summary>What drawing it took in each frame.</summary>
    public long[] CostMicroseconds => _cost.Microseconds();

    public void AddFrame(long ticks)
    {
        _milliseconds[_frame % Frames] = (float)(ticks * 1000.0 / Stopwatch.Frequency);
        _frame++;
    }

    /// <summary>Draws it. In the hot loop.</summary>
    public void Draw(Panel panel, in HotLoopCounts counts)
    {
        long start = Stopwatch.GetTimestamp();
        if (_frame % FramesBetweenSnapshots == 0 || _rowCount == 0)
            TakeSnapshot();

        const float X = 12;
        float y = 40;
        panel.Fill(0, y - 8, 520, GraphHeight + ((_rowCount + 6) * Panel.LineHeight), 0xC0101010);
        Graph(panel, X, y);
        y += GraphHeight + 8;
        Count(panel, X, y, "FAULTS "u8, counts.PageFaults);
        Count(panel, X + 125, y, "OS CALLS "u8, counts.OsCalls);
        Count(panel, X + 275, y, "MANAGED BYTES "u8, counts.ManagedBytes);
        y += Panel.LineHeight;
        for (int row = 0; row < _rowCount; row++)
        {
            if (row == 0 || row == _tagsFrom)
            {
                panel.Write(row == 0 ? "ARENA"u8 : "TAG"u8, X, y, Gray);
                panel.Write("LIVE KB"u8, X + 290, y, Gray);
                panel.Write("BUDGET KB"u8, X + 390, y, Gray);
                y += Panel.LineHeight;
            }

            Write(panel, X, y, _rows[row]);
            y += Panel.LineHeight;
        }

        _cost.Add(Stopwatch.GetTimestamp() - start);
    }

    private static void Count(Panel panel, float x, float y, ReadOnlySpan<byte> name, long count)
    {
        panel.Text.AppendUtf8(name);
        panel.Text.Append(count);
        panel.Write(x, y, count == 0 ? Green : Red);
    }

    private static void Write(Panel panel, float x, float y, in Row row)
    {
        bool isOver = row.BudgetBytes != 0 && row.LiveBytes > row.BudgetBytes;
        panel.Text.Append($"{row.Name}");
        panel.Write(x, y, White);
        panel.Text.Append($"{row.LiveBytes >> 10}");
        panel.Write(x + 290, y, isOver ? Red : White);
        if (row.BudgetBytes == 0)
            return;

        panel.Text.Append($"{row.BudgetBytes >> 10}");
        panel.Write(x + 390, y, Gray);
        panel.Fill(x, y + Panel.LineHeight - 4, 280, 2, 0xFF404040);
        panel.Fill(x, y + Panel.LineHeight - 4, 280f * Math.Min(row.LiveBytes / (float)row.BudgetBytes, 1), 2, Green);
    }

    private void Graph(Panel panel, float x, float y)
    {
        for (int index = 0; index < Frames; index++)
        {
            float milliseconds = _milliseconds[(_frame + index) % Frames];
            float height = Math.Min(milliseconds / (2 * Limit), 1) * GraphHeight;
            panel.Fill(x + (index * 2), y + GraphHeight - height, 2, height, milliseconds > Limit ? Red : Green);
        }

        panel.Fill(x, y + (GraphHeight / 2), Frames * 2, 1, White);
        panel.Text.Append($"16.7 MS   LAST {_milliseconds[(_frame + Frames - 1) % Frames]:0.0} MS");
        panel.Write(x, y + (GraphHeight / 2) - Panel.LineHeight, White);
    }

    private void TakeSnapshot()
    {
        if (!MemorySnapshot.TryTake(memory, _snapshot, out MemorySnapshot snapshot, out _))
            return;

        _rowCount = 0;
        foreach (ref readonly ArenaRow arena in snapshot.Arenas)
        {
            if (_rowCount < MostRows / 2 && !arena.IsFrame)
                Add(arena.Name, arena.LiveBytes, Math.Max(arena.SoftBudgetBytes, arena.HardBudgetBytes));
        }

        _tagsFrom = _rowCount;
        foreach (ref readonly TagRow tag in snapshot.Tags)
        {
            if (_rowCount < MostRows && tag.LiveBytes != 0)
                Add(tag.Name, tag.LiveBytes, tag.BudgetBytes);
        }
    }

    private void Add(in RowName name, long live, long budget) =>
        _rows[_rowCount++] = new Row { Name = name, LiveBytes = live, BudgetBytes = budget };

    private struct Row
    {
        public RowName Name;
        public long LiveBytes;
        public long BudgetBytes;
    }
}
