// What the memory does, drawn over the game: F1.
using System.Diagnostics;
using SuperSlab;
using SuperSlab.Diagnostics;
using SuperSlab.Scenes;

namespace Samples.Game.Showing;

/// <summary>
/// The times of the last frames with the line of 16.7 ms, the driver's part of them in gray, hitches with what they had,
/// what the last frame did that it must not, and the tables of <see cref="OverlayTables"/>. Allocates nothing after it was
/// made, and measures itself.
/// </summary>
internal sealed class Overlay : IDisposable
{
    public const uint White = 0xFFFFFFFF;
    public const uint Green = 0xFF60E060;
    public const uint Red = 0xFF4040FF;
    public const uint Gray = 0xFFB0B0B0;
    private const int Frames = 240;
    private const int MillisecondsBetweenSnapshots = 250;
    private const float Limit = 16.7f;
    private const float GraphHeight = 80;
    private const float Top = 40;
    private const float HeadHeight = GraphHeight + 8 + (2 * Panel.LineHeight);
    private readonly EngineMemory _memory;
    private readonly Thread _watcher;
    private readonly float[] _milliseconds = new float[Frames];
    private readonly float[] _ofDriver = new float[Frames];
    private readonly byte[] _snapshot = new byte[512 * 1024];
    private readonly Playing.FrameTimes _cost = new(100_000);

    /// <summary>Three pictures go round: one is drawn, one is shown, and the one between them is the newest.</summary>
    private OverlayTables _shown;
    private OverlayTables _newest;
    private OverlayTables _drawn;
    private volatile bool _isStopping;
    private long _frame;
    private Hitch _hitch;

    public Overlay(EngineMemory memory, ArenaRef arena)
    {
        _memory = memory;
        (_shown, _newest, _drawn) = (new(arena), new(arena), new(arena));
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

    /// <summary>Keeps what the last frame did, if it took too long.</summary>
    public void AddCounts(in HotLoopCounts counts)
    {
        long last = (_frame + Frames - 1) % Frames;
        if (_frame != 0 && _milliseconds[last] > Limit)
            _hitch = new Hitch(_frame, _milliseconds[last], _ofDriver[last], counts);
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
        if (Volatile.Read(ref _newest).IsFresh)
        {
            _shown.IsFresh = false;
            _shown = Interlocked.Exchange(ref _newest, _shown);
        }

        panel.Fill(0, Top - 8, OverlayTables.LeftWidth, HeadHeight + 4, 0xC0101010);
        Graph(panel, OverlayTables.Left, Top);
        float y = Top + GraphHeight + 8;
        Count(panel, OverlayTables.Left, y, "FAULTS "u8, counts.PageFaults);
        Count(panel, OverlayTables.Left + 125, y, "OS CALLS "u8, counts.OsCalls);
        Count(panel, OverlayTables.Left + 275, y, "MANAGED BYTES "u8, counts.ManagedBytes);
        _hitch.Write(panel, OverlayTables.Left, y + Panel.LineHeight, _frame);
        panel.Add(_shown.Marks);
        _cost.Add(Stopwatch.GetTimestamp() - start);
    }

    private static void Count(Panel panel, float x, float y, ReadOnlySpan<byte> name, long count)
    {
        panel.Text.AppendUtf8(name);
        panel.Text.Append(count);
        panel.Write(x, y, count == 0 ? Green : Red);
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
            if (milliseconds > Limit)
                panel.Fill(x + (index * 2) - 1, y, 4, 6, Red);
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
        while (!_isStopping)
        {
            if (MemorySnapshot.TryTake(_memory, _snapshot, out MemorySnapshot snapshot, out _))
            {
                _drawn.Fill(snapshot, Top + HeadHeight);
                _drawn.IsFresh = true;
                _drawn = Interlocked.Exchange(ref _newest, _drawn);
            }

            Thread.Sleep(MillisecondsBetweenSnapshots);
        }
    }

    /// <summary>A frame that took too long, and what it had, as far as it was counted.</summary>
    private readonly struct Hitch(long frame, float milliseconds, float ofDriver, in HotLoopCounts counts)
    {
        private readonly HotLoopCounts _counts = counts;

        /// <summary>What it had that others have not; the first that applies.</summary>
        private ReadOnlySpan<byte> Culprit =>
            _counts.Collections != 0 ? "A COLLECTION"u8
            : _counts.OsCalls != 0 ? "OS CALLS OF THE ENGINE"u8
            : _counts.PageFaults != 0 ? "PAGE FAULTS"u8
            : ofDriver > milliseconds / 2 ? "THE DRIVER"u8
            : _counts.Waits != 0 ? "WAITING"u8
            : "OWN WORK OR OTHERS'"u8;

        public void Write(Panel panel, float x, float y, long now)
        {
            if (frame == 0)
                return;

            panel.Text.Append($"{now - frame} FRAMES AGO {milliseconds:0} MS: ");
            panel.Text.AppendUtf8(Culprit);
            panel.Write(x, y, now - frame < Frames ? Red : Gray);
        }
    }
}
