using System.Diagnostics;
using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text;

namespace SuperSlab;

/// <summary>
/// What the kernel did lately with pages that were resident, on the whole machine, by the counters of /proc/vmstat:
/// a fault on a page that was ready has its cause among them. A reading takes some 50 microseconds and no garbage. Any
/// thread; not in frames.
/// </summary>
internal sealed class PageMoves
{
    private const int BufferBytes = 16 * 1024;

    private readonly LinuxFiles _files;
    private readonly Lock _lock = new();
    private Reading _older;
    private Reading _newer;

    public PageMoves(LinuxFiles files)
    {
        _files = files;
        Refresh();
        _older = _newer;
    }

    /// <summary>Whether the kernel counts them.</summary>
    public bool IsKnown => _newer.Time != 0;

    /// <summary>Takes a reading. <see cref="Lately"/> counts from the reading before it.</summary>
    public void Refresh()
    {
        Reading now = Read();
        lock (_lock)
            (_older, _newer) = (_newer, now);
    }

    /// <summary>What the kernel did since the reading before the last.</summary>
    public PageMoveCounts Lately()
    {
        Reading now = Read();
        Reading before;
        lock (_lock)
            before = _older;

        PageMoveCounts counts = default;
        for (int index = 0; index < PageMoveCounts.Count; index++)
            counts[index] = now.Counts[index] - before.Counts[index];

        return counts;
    }

    private Reading Read()
    {
        Span<byte> buffer = stackalloc byte[BufferBytes];
        ReadOnlySpan<byte> text = _files.Read("/proc/vmstat\0"u8, buffer);
        Reading reading = new() { Time = text.IsEmpty ? 0 : Stopwatch.GetTimestamp() };
        for (int index = 0; index < PageMoveCounts.Count; index++)
            reading.Counts[index] = LinuxFiles.NumberAfter(text, PageMoveCounts.LabelOf(index));

        return reading;
    }

    private struct Reading
    {
        public long Time;
        public PageMoveCounts Counts;
    }
}

/// <summary>Numbers of pages, or of events, by the way in which the kernel moved, merged or took pages.</summary>
[InlineArray(Count)]
internal struct PageMoveCounts
{
    public const int Count = 9;

    private static readonly string[] s_names =
    [
        "pgmigrate_success", "compact_isolated", "thp_collapse_alloc", "thp_split_pmd", "numa_hint_faults",
        "pgsteal_anon", "pswpin", "pswpout", "cow_ksm",
    ];

    private static readonly byte[][] s_labels =
        Array.ConvertAll(s_names, name => Encoding.ASCII.GetBytes($"\n{name} "));

    private static readonly string?[] s_lists = new string?[1 << Count];

    private ulong _first;

    /// <summary>What stands before a counter in the file.</summary>
    public static ReadOnlySpan<byte> LabelOf(int index) => s_labels[index];

    /// <summary>The names of the counters that are not 0, as in "pgmigrate_success, cow_ksm"; "" for none.</summary>
    public readonly string Names
    {
        get
        {
            int set = 0;
            for (int index = 0; index < Count; index++)
                set |= this[index] == 0 ? 0 : 1 << index;

            return s_lists[set] ??= string.Join(", ", s_names.Where((_, index) => (set & (1 << index)) != 0));
        }
    }

    /// <summary>The counters that are not 0, as in "pgmigrate_success +531"; "" for none.</summary>
    public override readonly string ToString()
    {
        List<string> parts = [];
        for (int index = 0; index < Count; index++)
        {
            if (this[index] != 0)
                parts.Add(string.Create(CultureInfo.InvariantCulture, $"{s_names[index]} +{this[index]}"));
        }

        return string.Join(", ", parts);
    }
}

/// <summary>Refreshes the readings ten times a second, on a thread of the lowest priority.</summary>
internal sealed class PageMoveWatch : IDisposable
{
    private const int Milliseconds = 100;

    private readonly ManualResetEventSlim _stop = new();
    private readonly Thread? _thread;

    public PageMoveWatch(PageMoves moves)
    {
        if (!moves.IsKnown)
            return;

        Thread thread = new(() => Run(moves)) { IsBackground = true, Name = "page moves" };
        try
        {
            thread.Start();
            _thread = thread;
        }
        catch (OutOfMemoryException)
        {
            // A limit of threads: moves are then told since the first reading.
        }
    }

    public void Dispose()
    {
        _stop.Set();
        _thread?.Join();
        _stop.Dispose();
    }

    private void Run(PageMoves moves)
    {
        ThisPlatform.LowerThreadPriority();
        while (!_stop.Wait(Milliseconds))
            moves.Refresh();
    }
}
