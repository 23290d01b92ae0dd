using Spectre.Console;
using Spectre.Console.Rendering;

namespace Samples.Profiler.Showing;

/// <summary>
/// The terminal's second screen, which leaves what stood on the first as it was. Each view is drawn over the last one
/// in a single write, so nothing flickers, and in the size that the terminal has then; the screen is cleared only when
/// that size is another one.
/// </summary>
internal sealed class Screen : IDisposable
{
    private const string Enter = "\e[?1049h\e[?25l";

    // The last two: .NET turned the keypad's application mode on and leaves it on.
    private const string Leave = "\e[?25h\e[?1049l\e[?1l\e>";
    private readonly IAnsiConsole _terminal;
    private (int Width, int Height) _size;

    public Screen(IAnsiConsole terminal)
    {
        _terminal = terminal;
        Write(Enter);
    }

    /// <summary>Whether a console is a terminal that can do it.</summary>
    public static bool IsOn(IAnsiConsole console) =>
        console.Profile.Out.IsTerminal && console.Profile.Capabilities.Ansi;

    /// <summary>Draws a view.</summary>
    /// <param name="view">Makes the view for so many columns and rows.</param>
    public void Draw(Func<int, int, IRenderable> view)
    {
        (int width, int height) = (_terminal.Profile.Width, _terminal.Profile.Height);
        using StringWriter text = new();
        IAnsiConsole page = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Ansi = AnsiSupport.Yes,
            ColorSystem = (ColorSystemSupport)_terminal.Profile.Capabilities.ColorSystem,
            Interactive = InteractionSupport.No,
            Out = new AnsiConsoleOutput(text),
        });
        page.Profile.Width = width;
        page.Profile.Capabilities.Unicode = _terminal.Profile.Capabilities.Unicode;
        page.Write(view(width, height));

        string[] rows = text.ToString().TrimEnd().ReplaceLineEndings("\n").Split('\n');
        int count = Math.Min(rows.Length, height);
        string below = count < height ? "\r\n\e[J" : "";
        Write((_size == (width, height) ? "\e[H" : "\e[H\e[2J") + string.Join("\r\n", rows[..count]) + below);
        _size = (width, height);
    }

    public void Dispose() => Write(Leave);

    private void Write(string text)
    {
        _terminal.Profile.Out.Writer.Write(text);
        _terminal.Profile.Out.Writer.Flush();
    }
}
