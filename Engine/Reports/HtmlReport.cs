using System.Text;
using SuperSlab.Diagnostics;

namespace SuperSlab.Reports;

/// <summary>
/// Writes a profile as one HTML file that holds everything it needs: it opens from a disk, a mail or a build server's artifacts, and asks
/// no network for anything (its content security policy forbids it to). The page's markup, styles and scripts lie in Assets; here they
/// are put into one file with the profile as JSON.
/// </summary>
public static class HtmlReport
{
    /// <summary>The scripts in the order in which they use each other.</summary>
    private static readonly string[] s_scripts =
        ["format.js", "elements.js", "chart.js", "frames.js", "memory.js", "superslabs.js", "tables.js", "faults.js", "page.js"];

    /// <summary>Writes the report, in place of a file that is there. Not for the hot loop.</summary>
    /// <param name="document">The profile; its names may hold any characters.</param>
    /// <param name="path">A file name, by custom ending in .html.</param>
    /// <exception cref="IOException">The file cannot be written.</exception>
    public static void Write(ProfileDocument document, string path)
    {
        ArgumentNullException.ThrowIfNull(document);
        ArgumentException.ThrowIfNullOrEmpty(path);
        using FileStream file = File.Create(path);
        Write(document, file);
    }

    /// <inheritdoc cref="Write(ProfileDocument, string)"/>
    public static void Write(ProfileDocument document, Stream stream)
    {
        ArgumentNullException.ThrowIfNull(document);
        ArgumentNullException.ThrowIfNull(stream);
        ReadOnlySpan<char> page = Asset("report.html");
        int written = 0;
        foreach ((string mark, Action<Stream> write) in Parts(document))
        {
            int at = page[written..].IndexOf(mark);
            WriteText(stream, page.Slice(written, at));
            write(stream);
            written += at + mark.Length;
        }

        WriteText(stream, page[written..]);
    }

    /// <summary>What stands in the page's markup for its parts, in the order there.</summary>
    private static (string Mark, Action<Stream> Write)[] Parts(ProfileDocument document) =>
    [
        ("/*styles*/", stream => WriteText(stream, Asset("report.css"))),
        ("/*profile*/", document.Write),
        ("/*scripts*/", stream => WriteText(stream, string.Concat(s_scripts.Select(Asset)))),
    ];

    private static void WriteText(Stream stream, ReadOnlySpan<char> text)
    {
        byte[] bytes = new byte[Encoding.UTF8.GetByteCount(text)];
        Encoding.UTF8.GetBytes(text, bytes);
        stream.Write(bytes);
    }

    private static string Asset(string name)
    {
        using StreamReader reader = new(typeof(HtmlReport).Assembly.GetManifestResourceStream(name)!, Encoding.UTF8);
        return reader.ReadToEnd();
    }
}
