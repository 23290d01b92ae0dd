using System.Text;

namespace SuperSlab.Reports;

/// <summary>
/// Puts an HTML file together: a page of Assets, in which each mark such as <c>/*styles*/</c> is replaced by what a
/// part writes. Not for the hot loop.
/// </summary>
internal static class HtmlPage
{
    /// <param name="stream">Takes the file in UTF-8.</param>
    /// <param name="name">The page's asset.</param>
    /// <param name="scripts">The assets of its scripts, in the order in which they use each other.</param>
    /// <param name="data">What else the page holds, by mark and in the page's order.</param>
    public static void Write(
        Stream stream, string name, string[] scripts, params (string Mark, Action<Stream> Write)[] data)
    {
        ReadOnlySpan<char> page = Asset(name);
        int written = 0;
        (string Mark, Action<Stream> Write)[] parts =
        [
            ("/*styles*/", to => WriteText(to, Asset("report.css"))),
            .. data,
            ("/*scripts*/", to => WriteText(to, string.Concat(scripts.Select(Asset)))),
        ];
        foreach ((string mark, Action<Stream> write) in parts)
        {
            int at = page[written..].IndexOf(mark);
            WriteText(stream, page.Slice(written, at));
            write(stream);
            written += at + mark.Length;
        }

        WriteText(stream, page[written..]);
    }

    private static void WriteText(Stream stream, ReadOnlySpan<char> text)
    {
        byte[] bytes = new byte[Encoding.UTF8.GetByteCount(text)];
        Encoding.UTF8.GetBytes(text, bytes);
        stream.Write(bytes);
    }

    private static string Asset(string name)
    {
        using StreamReader reader = new(typeof(HtmlPage).Assembly.GetManifestResourceStream(name)!, Encoding.UTF8);
        return reader.ReadToEnd();
    }
}
