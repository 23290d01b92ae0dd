// The overlay's tables: what arenas, tags, SuperSlabs and thread caches hold.
using SuperSlab;
using SuperSlab.Diagnostics;

namespace Samples.Game.Showing;

/// <summary>
/// A picture of one snapshot of the memory: the live bytes of arenas beside their budgets, what was allocated under tags,
/// a map of the SuperSlabs, and what threads' caches hold back. It is drawn four times a second by a thread that is not
/// the frames'; a frame copies it.
/// </summary>
internal sealed class OverlayTables(ArenaRef arena)
{
    public const float Left = 12;
    public const float LeftWidth = 520;
    private const float Right = 544;
    private const float RightWidth = 404;
    private const float Top = 40;
    private const float CellWidth = 8;
    private const float CellHeight = 12;
    private const int CellsInRow = (int)(RightWidth / CellWidth);
    private const int MostArenas = 10;
    private const int MostTags = 8;
    private const int MostCaches = 6;
    private const int MostCells = CellsInRow * 4;

    /// <summary>Arenas have these in turn; free SuperSlabs have none.</summary>
    private static readonly uint[] s_colors =
        [0xFFD69C56, 0xFFB0C94E, 0xFF5AB4DC, 0xFF6E6ECE, 0xFFC58AD0, 0xFF8AD0C5, 0xFF60E060, 0xFFB0B0FF];

    private static readonly RowName s_untagged = new("(no tag)");
    private readonly Panel _panel = new(arena);

    /// <summary>Whether no frame has taken it yet.</summary>
    public bool IsFresh { get; set; }

    public ReadOnlySpan<Mark> Marks => _panel.Marks;

    /// <summary>Draws anew what a snapshot says, below the overlay's graph.</summary>
    /// <param name="y">Where the table of arenas begins.</param>
    public void Fill(in MemorySnapshot snapshot, float y)
    {
        _panel.Clear();
        int arenas = Math.Min(CountLongLived(snapshot), MostArenas);
        int tags = Math.Min(CountUsed(snapshot), MostTags);
        int lines = arenas + tags + 1 + (tags > 0 ? 1 : 0);
        _panel.Fill(0, y - 4, LeftWidth, (lines * Panel.LineHeight) + 8, 0xC0101010);
        y = Arenas(snapshot, y);
        Tags(snapshot, y);
        Map(snapshot);
    }

    private static int CountLongLived(in MemorySnapshot snapshot)
    {
        int count = 0;
        foreach (ref readonly ArenaRow row in snapshot.Arenas)
            count += row.IsFrame ? 0 : 1;

        return count;
    }

    private static int CountUsed(in MemorySnapshot snapshot)
    {
        int count = 0;
        foreach (ref readonly TagRow row in snapshot.Tags)
            count += row.AllocatedBytes != 0 ? 1 : 0;

        return count;
    }

    private float Arenas(in MemorySnapshot snapshot, float y)
    {
        _panel.Write("ARENA"u8, Left, y, Overlay.Gray);
        _panel.Write("LIVE KB"u8, Left + 290, y, Overlay.Gray);
        _panel.Write("BUDGET KB"u8, Left + 390, y, Overlay.Gray);
        y += Panel.LineHeight;
        int shown = 0;
        foreach (ref readonly ArenaRow row in snapshot.Arenas)
        {
            if (row.IsFrame || shown++ >= MostArenas)
                continue;

            _panel.Fill(Left - 8, y + 2, 4, Panel.LineHeight - 6, ColorOf(row.Number));
            Bytes(row.Name, row.LiveBytes, Math.Max(row.SoftBudgetBytes, row.HardBudgetBytes), y);
            y += Panel.LineHeight;
        }

        return y;
    }

    private void Tags(in MemorySnapshot snapshot, float y)
    {
        int shown = 0;
        foreach (ref readonly TagRow row in snapshot.Tags)
        {
            if (row.AllocatedBytes == 0 || shown++ >= MostTags)
                continue;

            if (shown == 1)
            {
                _panel.Write("TAG"u8, Left, y, Overlay.Gray);
                _panel.Write("ALLOCATED KB"u8, Left + 290, y, Overlay.Gray);
                y += Panel.LineHeight;
            }

            Bytes(row.Name.Length == 0 ? s_untagged : row.Name, row.AllocatedBytes, budget: 0, y);
            y += Panel.LineHeight;
        }
    }

    private void Bytes(in RowName name, long bytes, long budget, float y)
    {
        _panel.Text.Append($"{name}");
        _panel.Write(Left, y, Overlay.White);
        _panel.Text.Append($"{bytes >> 10}");
        _panel.Write(Left + 290, y, budget != 0 && bytes > budget ? Overlay.Red : Overlay.White);
        if (budget == 0)
            return;

        _panel.Text.Append($"{budget >> 10}");
        _panel.Write(Left + 390, y, Overlay.Gray);
        _panel.Fill(Left, y + Panel.LineHeight - 4, 280, 2, 0xFF404040);
        _panel.Fill(Left, y + Panel.LineHeight - 4, 280f * Math.Min(bytes / (float)budget, 1), 2, Overlay.Green);
    }

    /// <summary>A cell for each SuperSlab in the color of its arena, as full as it is; then the caches.</summary>
    private void Map(in MemorySnapshot snapshot)
    {
        int cells = Math.Min(snapshot.SuperSlabs.Length, MostCells);
        int rows = (cells + CellsInRow - 1) / CellsInRow;
        int caches = Math.Min(snapshot.ThreadCaches.Length, MostCaches);
        float height = ((caches + 2) * Panel.LineHeight) + (rows * (CellHeight + 2)) + 16;
        _panel.Fill(Right - 8, Top - 8, RightWidth + 16, height, 0xC0101010);
        float y = Top;
        _panel.Text.Append($"SUPERSLABS {snapshot.SuperSlabs.Length}   {snapshot.SuperSlabs.Length * 2} MIB");
        _panel.Write(Right, y, Overlay.Gray);
        y += Panel.LineHeight;
        for (int cell = 0; cell < cells; cell++)
        {
            ref readonly SuperSlabRow row = ref snapshot.SuperSlabs[cell];
            float x = Right + (cell % CellsInRow * CellWidth);
            float top = y + (cell / CellsInRow * (CellHeight + 2));
            float full = CellHeight * Math.Min(row.UsedBytes / (2f * 1024 * 1024), 1);
            _panel.Fill(x, top, CellWidth - 1, CellHeight, row.ArenaNumber == 0 ? 0xFF303030 : 0xFF505050);
            if (row.ArenaNumber != 0)
                _panel.Fill(x, top + CellHeight - full, CellWidth - 1, full, ColorOf(row.ArenaNumber));
        }

        Caches(snapshot, y + (rows * (CellHeight + 2)) + 4);
    }

    private void Caches(in MemorySnapshot snapshot, float y)
    {
        _panel.Write("THREAD CACHE"u8, Right, y, Overlay.Gray);
        _panel.Write("FREE KB"u8, Right + 290, y, Overlay.Gray);
        for (int index = 0; index < Math.Min(snapshot.ThreadCaches.Length, MostCaches); index++)
        {
            y += Panel.LineHeight;
            ref readonly ThreadCacheRow row = ref snapshot.ThreadCaches[index];
            _panel.Fill(Right - 6, y + 2, 4, Panel.LineHeight - 6, ColorOf(row.ArenaNumber));
            if (row.Thread.Length != 0)
                _panel.Text.Append($"{row.Thread}");
            else
                _panel.Text.Append($"THREAD {row.ManagedThreadId}");

            _panel.Write(Right, y, Overlay.White);
            _panel.Text.Append($"{row.Bytes >> 10}");
            _panel.Write(Right + 290, y, Overlay.White);
        }
    }

    private static uint ColorOf(int arena) => s_colors[arena % s_colors.Length];
}
