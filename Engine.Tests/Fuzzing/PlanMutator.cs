using System.Text;

namespace Engine.Tests.Fuzzing;

/// <summary>Damages plans as editors, merges, disks and attackers do: bytes, tokens, whole pieces.</summary>
internal sealed class PlanMutator(Random random, byte[][] originals)
{
    private static readonly byte[][] s_pieces =
    [
        .. new[]
        {
            "0", "-1", "1", "2147483648", "-9223372036854775809", "18446744073709551616", "1e308", "1e-9", "0.5", "true", "null", "\"\"",
            "{", "}", "[", "]", ",", ":", "\"", "\\", "//", "/*", "*/", "{}", "[]", "[[[[[[[[[[[[[[[[[[", "\"8 MiB\"", "\"1 GiB\"", "\"99999 GiB\"",
            "\"0.1 B\"", "\"\\uD800\"", "\"\\u0000\"", "\uFEFF", "\u2028", "\n", "\"base\": \"common.json\",", "\"base\": \"circle-a.json\",",
            "\"name\": \"x\",", "\"threads\": 1,", "\"bytes\": 64,", "\"arenas\": { \"a\": { } },", "\"frame\": null,", "\"hard\": \"2 MiB\",",
        }.Select(Encoding.UTF8.GetBytes),
        [0xFF], [0xC3], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80], [0],
    ];

    public byte[] Next()
    {
        List<byte> text = [.. Pick(originals)];
        for (int times = 1 + random.Next(1 + random.Next(4)); times > 0; times--)
        {
            if (random.Next(3) == 0)
            {
                Edit(text);
            }
            else
            {
                Damage(text);
            }
        }

        return [.. text];
    }

    /// <summary>What often leaves a plan a plan: another digit, a space, a line less, a line twice.</summary>
    private void Edit(List<byte> text)
    {
        int at = random.Next(text.Count + 1);
        int digit = text.FindIndex(at, character => character is >= (byte)'0' and <= (byte)'9');
        int line = text.IndexOf((byte)'\n', at) + 1;
        int end = line == 0 ? 0 : text.IndexOf((byte)'\n', line) + 1;
        switch (random.Next(4))
        {
            case 0 when digit >= 0:
                text[digit] = (byte)('0' + random.Next(10));
                break;
            case 1 when end != 0:
                text.RemoveRange(line, end - line);
                break;
            case 2 when end != 0:
                text.InsertRange(line, text.GetRange(line, end - line));
                break;
            default:
                text.Insert(at, (byte)" \n\t\r"[random.Next(4)]);
                break;
        }
    }

    private void Damage(List<byte> text)
    {
        int at = random.Next(text.Count + 1);
        int length = Math.Min(1 + random.Next(random.Next(4) == 0 ? 60 : 4), text.Count - at);
        switch (random.Next(9))
        {
            case 0 when at < text.Count:
                text[at] ^= (byte)(1 << random.Next(8));
                break;
            case 1:
                text.RemoveRange(at, length);
                break;
            case 2:
                text.InsertRange(at, Pick(s_pieces));
                break;
            case 3:
                text.InsertRange(random.Next(text.Count + 1), text.GetRange(at, length));
                break;
            case 4:
                text.RemoveRange(at, text.Count - at);
                break;
            case 5:
                byte[] other = Pick(originals);
                int from = random.Next(other.Length + 1);
                text.InsertRange(at, other.AsSpan(from, Math.Min(random.Next(200), other.Length - from)).ToArray());
                break;
            default:
                ReplaceToken(text, at);
                break;
        }
    }

    /// <summary>Puts a piece in the place of a number or a text, so that what comes out is often still JSON.</summary>
    private void ReplaceToken(List<byte> text, int at)
    {
        int start = text.FindIndex(at, character => character is >= (byte)'0' and <= (byte)'9' or (byte)'"');
        if (start < 0)
        {
            return;
        }

        int end = start + 1;
        bool isText = text[start] == '"';
        while (end < text.Count && (isText ? text[end - 1] != '"' || end == start + 1 : text[end] is >= (byte)'0' and <= (byte)'9'))
        {
            end++;
        }

        text.RemoveRange(start, end - start);
        text.InsertRange(start, Pick(s_pieces));
    }

    private T Pick<T>(T[] from) => from[random.Next(from.Length)];
}
