namespace Samples.Profiler.Showing;

/// <summary>What the live view shows; the digit of a tab's key is 1 more.</summary>
internal enum ViewTab
{
    Overview,

    Arenas,

    Tags,

    Frames,
}

/// <summary>What keys have made of the live view: tab, rows, order, pause. Immutable.</summary>
internal sealed record ViewState
{
    private const int PageRows = 10;

    private static readonly int s_tabCount = Enum.GetValues<ViewTab>().Length;

    public ViewTab Tab { get; init; }

    /// <summary>The first row of the tab's table that is shown; at most the last row.</summary>
    public int FirstRow { get; init; }

    /// <summary>The column that the rows are sorted by, modulo their number; null for the tab's order.</summary>
    public int? SortColumn { get; init; }

    public bool IsAscending { get; init; }

    /// <summary>The view stands still; what is heard is kept.</summary>
    public bool IsPaused { get; init; }

    public bool ShowsKeys { get; init; }

    public bool HasQuit { get; init; }

    /// <summary>What a key makes of it; the same where the key has no meaning.</summary>
    public ViewState After(ConsoleKeyInfo key) => key.Key switch
    {
        ConsoleKey.UpArrow => Moved(-1),
        ConsoleKey.DownArrow => Moved(1),
        ConsoleKey.PageUp => Moved(-PageRows),
        ConsoleKey.PageDown => Moved(PageRows),
        ConsoleKey.Home => this with { FirstRow = 0 },
        ConsoleKey.LeftArrow => Turned(-1),
        ConsoleKey.RightArrow => Turned(1),
        ConsoleKey.Tab => Turned(key.Modifiers.HasFlag(ConsoleModifiers.Shift) ? -1 : 1),
        ConsoleKey.Escape => this with { ShowsKeys = false },
        _ => char.ToLowerInvariant(key.KeyChar) switch
        {
            'q' => this with { HasQuit = true },
            '?' or 'h' => this with { ShowsKeys = !ShowsKeys },
            'p' or ' ' => this with { IsPaused = !IsPaused },
            's' => this with { SortColumn = SortColumn + 1 ?? 0, FirstRow = 0 },
            'r' => this with { IsAscending = !IsAscending, FirstRow = 0 },
            >= '1' and var digit when digit - '1' < s_tabCount => To((ViewTab)(digit - '1')),
            _ => this,
        },
    };

    private ViewState Moved(int rows) => this with { FirstRow = Math.Max(0, FirstRow + rows) };

    private ViewState Turned(int tabs) => To((ViewTab)(((int)Tab + tabs + s_tabCount) % s_tabCount));

    private ViewState To(ViewTab tab) => tab == Tab
        ? this with { ShowsKeys = false }
        : this with { Tab = tab, ShowsKeys = false, FirstRow = 0, SortColumn = null, IsAscending = false };
}
