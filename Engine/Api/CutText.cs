using System.Globalization;

namespace SuperSlab;

/// <summary>Shortens text between characters as readers see them: no emoji and no accent is halved.</summary>
internal static class CutText
{
    /// <summary>The longest beginning of at most <paramref name="most"/> UTF-16 units. Allocates nothing.</summary>
    public static ReadOnlySpan<char> Start(ReadOnlySpan<char> text, int most)
    {
        if (text.Length <= most)
            return text;

        int length = 0;
        while (true)
        {
            int next = StringInfo.GetNextTextElementLength(text[length..]);
            if (length + next > most)
                break;

            length += next;
        }

        // One character of many combining marks may be longer than all the room.
        int whole = char.IsHighSurrogate(text[most - 1]) ? most - 1 : most;
        return text[..(length == 0 ? whole : length)];
    }

    /// <summary>A text that does not fit, marked with three dots.</summary>
    public static string WithDots(string text, int most) =>
        text.Length <= most ? text : string.Concat(Start(text, most), "...");
}
