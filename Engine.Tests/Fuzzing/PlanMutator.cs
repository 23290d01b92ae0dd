using System.Text;

namespace Engine.Tests.Fuzzing;

/// <summary>Damages plans as editors, merges, disks and attackers do: bytes, tokens, whole pieces.</summary>
internal sealed class PlanMutator(Random random, byte[][] originals) : ByteMutator(random, originals)
{
    private static readonly byte[][] s_pieces =
    [
        .. new[]
        {
            "0", "-1", "1", "2147483648", "-9223372036854775809", "18446744073709551616", "1e308", "1e-9", "0.5",
                "true", "null", "\"\"",
            "{", "}", "[", "]", ",", ":", "\"", "\\", "//", "/*", "*/", "{}", "[]", "[[[[[[[[[[[[[[[[[[", "\"8 MiB\"",
                "\"1 GiB\"", "\"99999 GiB\"",
            "\"0.1 B\"", "\"\\uD800\"", "\"\\u0000\"", "\uFEFF", "\u2028", "\n", "\"base\": \"common.json\",",
                "\"base\": \"circle-a.json\",",
            "\"name\": \"x\",", "\"threads\": 1,", "\"bytes\": 64,", "\"arenas\": { \"a\": { } },", "\"frame\": null,",
                "\"hard\": \"2 MiB\",",
        }.Select(Encoding.UTF8.GetBytes),
        [0xFF], [0xC3], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80], [0],
    ];

    protected override int LongestPiece => 100;

    protected override int Times() => 1 + Random.Next(1 + Random.Next(4));

    protected override void Damage(List<byte> text)
    {
        switch (Random.Next(9))
        {
            case < 3:
                Edit(text);
                break;
            case < 5:
                ReplaceToken(text);
                break;
            case 5:
                text.InsertRange(Random.Next(text.Count + 1), Pick(s_pieces));
                break;
            default:
                base.Damage(text);
                break;
        }
    }

    /// <summary>What often leaves a plan a plan: another digit, a space, a line less, a line twice.</summary>
    private void Edit(List<byte> text)
    {
        int at = Random.Next(text.Count + 1);
        int digit = text.FindIndex(at, character => character is >= (byte)'0' and <= (byte)'9');
        int line = text.IndexOf((byte)'\n', at) + 1;
        int end = line == 0 ? 0 : text.IndexOf((byte)'\n', line) + 1;
        switch (Random.Next(4))
        {
            case 0 when digit >= 0:
                text[digit] = (byte)('0' + Random.Next(10));
                break;
            case 1 when end != 0:
                text.RemoveRange(line, end - line);
                break;
            case 2 when end != 0:
                text.InsertRange(line, text.GetRange(line, end - line));
                break;
            default:
                text.Insert(at, (byte)" \n\t\r"[Random.Next(4)]);
                break;
        }
    }

    /// <summary>Puts a piece in the place of a number or a text, so that what comes out is often still JSON.</summary>
    private void ReplaceToken(List<byte> text)
    {
        int start = text.FindIndex(Random.Next(text.Count + 1), character =>
            character is >= (byte)'0' and <= (byte)'9' or (byte)'"');
        if (start < 0)
            return;

        int end = start + 1;
        bool isText = text[start] == '"';
        while (end < text.Count
            && (isText ? text[end - 1] != '"' || end == start + 1 : text[end] is >= (byte)'0' and <= (byte)'9'))
        {
            end++;
        }

        text.RemoveRange(start, end - start);
        text.InsertRange(start, Pick(s_pieces));
    }
}
