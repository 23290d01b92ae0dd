// What the memory does, drawn over the game: F1.
using System.Diagnostics;
using SuperSlab;
using SuperSlab.Collections;
using SuperSlab.Diagnostics;
using SuperSlab.Scenes;

namespace Samples.Game.Showing;

/// <summary>
/// The times of the last frames with the line of 16.7 ms, the driver's part of them in gray, what the last frame did
/// that it must not, and the live bytes of arenas and tags beside their budgets. Allocates nothing after it was made,
/// and measures itself.
/// </summary>
internal sealed class Overlay : IDisposable
{
    private const int Frames = 240;
    private const int MillisecondsBetweenSnapshots = 250;
    private const int MostRows = 24;
    private const float Limit = 16.7f;
    private const float GraphHeight = 100;
    private const uint White = 0xFFFFFFFF;
    private const uint Green = 0xFF60E060;
    private const uint Red = 0xFF4040FF;
    private const uint Gray = 0xFFB0B0B0;
    private static readonly RowName s_untagged = new("(no tag)");
    private readonly EngineMemory _memory;
    private readonly Thread _watcher;
    private readonly float[] _milliseconds = new float[Frames];
    private readonly float[] _ofDriver = new float[Frames];
    private readonly byte[] _snapshot = new byte[512 * 1024];
    private readonly Playing.FrameTimes _cost = new(100_000);
    private Rows _rows = new();
    private volatile bool _isStopping;
    private long _frame;

    public Overlay(EngineMemory memory)
    {
        _memory = memory;
        _watcher = new Thread(Watch) { IsBackground = true, Name = "overlay" };
        _watcher.Start();
    }

    /// <summary>What drawing it took in each frame.</summary>
    public long[] CostMicroseconds => _cost.Microseconds();

    /// <param name="ticks">How long the frame took.</param>
    /// <param name="driverTicks">How much of it was the driver's.</param>
    public void AddFrame(long ticks, long driverTicks)
    {
        _milliseconds[_frame % Frames] = (float)(ticks * 1000.0 / Stopwatch.Frequency);
        _ofDriver[_frame % Frames] = (float)(driverTicks * 1000.0 / Stopwatch.Frequency);
        _frame++;
    }

    public void Dispose()
    {
        _isStopping = true;
        _watcher.Join();
    }

    /// <summary>Draws it. In the hot loop.</summary>
    public void Draw(Panel panel, in HotLoopCounts counts)
    {
        long start = Stopwatch.GetTimestamp();
        Rows rows = Volatile.Read(ref _rows);
        const float X = 12;
        float y = 40;
        panel.Fill(0, y - 8, 520, GraphHeight + ((rows.Count + 6) * Panel.LineHeight), 0xC0101010);
        Graph(panel, X, y);
        y += GraphHeight + 8;
        Count(panel, X, y, "FAULTS "u8, counts.PageFaults);
        Count(panel, X + 125, y, "OS CALLS "u8, counts.OsCalls);
        Count(panel, X + 275, y, "MANAGED BYTES "u8, counts.ManagedBytes);
        y += Panel.LineHeight;
        for (int row = 0; row < rows.Count; row++)
        {
            if (row == 0 || row == rows.TagsFrom)
            {
                panel.Write(row == 0 ? "ARENA"u8 : "TAG"u8, X, y, Gray);
                panel.Write(row == 0 ? "LIVE KB"u8 : "ALLOCATED KB"u8, X + 290, y, Gray);
                if (row == 0)
                    panel.Write("BUDGET KB"u8, X + 390, y, Gray);

                y += Panel.LineHeight;
            }

            Write(panel, X, y, rows[row]);
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
        bool isOver = row.BudgetBytes != 0 && row.Bytes > row.BudgetBytes;
        panel.Text.Append($"{row.Name}");
        panel.Write(x, y, White);
        panel.Text.Append($"{row.Bytes >> 10}");
        panel.Write(x + 290, y, isOver ? Red : White);
        if (row.BudgetBytes == 0)
            return;

        panel.Text.Append($"{row.BudgetBytes >> 10}");
        panel.Write(x + 390, y, Gray);
        panel.Fill(x, y + Panel.LineHeight - 4, 280, 2, 0xFF404040);
        panel.Fill(x, y + Panel.LineHeight - 4, 280f * Math.Min(row.Bytes / (float)row.BudgetBytes, 1), 2, Green);
    }

    private static void Bar(Panel panel, float x, float y, float milliseconds, uint color)
    {
        float height = Math.Min(milliseconds / (2 * Limit), 1) * GraphHeight;
        panel.Fill(x, y + GraphHeight - height, 2, height, color);
    }

    private void Graph(Panel panel, float x, float y)
    {
        for (int index = 0; index < Frames; index++)
        {
            float milliseconds = _milliseconds[(_frame + index) % Frames];
            float own = milliseconds - _ofDriver[(_frame + index) % Frames];
            Bar(panel, x + (index * 2), y, milliseconds, Gray);
            Bar(panel, x + (index * 2), y, own, own > Limit ? Red : Green);
        }

        panel.Fill(x, y + (GraphHeight / 2), Frames * 2, 1, White);
        long last = (_frame + Frames - 1) % Frames;
        float ofGame = _milliseconds[last] - _ofDriver[last];
        panel.Text.Append($"16.7 MS   LAST {ofGame:0.0} MS + DRIVER {_ofDriver[last]:0.0} MS");
        panel.Write(x, y + (GraphHeight / 2) - Panel.LineHeight, White);
    }

    /// <summary>Looks at the memory four times a second, on a thread that is not the frames'.</summary>
    private void Watch()
    {
        Rows next = new();
        while (!_isStopping)
        {
            if (MemorySnapshot.TryTake(_memory, _snapshot, out MemorySnapshot snapshot, out _))
            {
                next.Fill(snapshot);
                next = Interlocked.Exchange(ref _rows, next);
            }

            Thread.Sleep(MillisecondsBetweenSnapshots);
        }
    }

    private struct Row
    {
        public RowName Name;
        public long Bytes;
        public long BudgetBytes;
    }

    /// <summary>What a snapshot said of arenas and tags.</summary>
    private sealed class Rows
    {
        private readonly Row[] _rows = new Row[MostRows];

        public int Count { get; private set; }

        /// <summary>The first row that is a tag's.</summary>
        public int TagsFrom { get; private set; }

        public ref readonly Row this[int index] => ref _rows[index];

        public void Fill(in MemorySnapshot snapshot)
        {
            Count = 0;
            foreach (ref readonly ArenaRow arena in snapshot.Arenas)
            {
                if (Count < MostRows / 2 && !arena.IsFrame)
                    Add(arena.Name, arena.LiveBytes, Math.Max(arena.SoftBudgetBytes, arena.HardBudgetBytes));
            }

            TagsFrom = Count;
            foreach (ref readonly TagRow tag in snapshot.Tags)
            {
                if (Count < MostRows && tag.AllocatedBytes != 0)
                    Add(tag.Name.Length == 0 ? s_untagged : tag.Name, tag.AllocatedBytes, budget: 0);
            }
        }

        private void Add(in RowName name, long bytes, long budget) =>
            _rows[Count++] = new Row { Name = name, Bytes = bytes, BudgetBytes = budget };
    }
}
