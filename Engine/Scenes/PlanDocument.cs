using System.Buffers;
using System.Text;
using System.Text.Json;

namespace Engine.Scenes;

/// <summary>One JSON document of a plan, as it came. <see cref="TryParse"/> keeps hostile ones away from everything behind it.</summary>
/// <param name="Name">Its file or name, by which cycles are found; null where it has none.</param>
/// <param name="Utf8">Its text.</param>
internal sealed record PlanDocument(string? Name, byte[] Utf8)
{
    /// <summary>A plan is at most seven levels deep; what is deeper is refused before it is looked at.</summary>
    public const int MaximumDepth = 16;

    private static readonly JsonReaderOptions s_options = new()
    {
        AllowTrailingCommas = true,
        CommentHandling = JsonCommentHandling.Skip,
        MaxDepth = 2 * MaximumDepth,
    };

    /// <summary>
    /// Parses the text. Afterwards nothing that is read from the document throws: it is UTF-8, its escapes make whole characters, and its
    /// depth is bounded. Otherwise the error is added.
    /// </summary>
    public JsonDocument? TryParse(PlanErrors errors)
    {
        ReadOnlySpan<byte> text = Utf8;
        if (text.Length > ScenePlan.MaximumJsonBytes)
        {
            errors.Add("$", PlanText.Size((nuint)text.Length), $"at most {PlanText.Size(ScenePlan.MaximumJsonBytes)}");
            return null;
        }

        int mark = text.StartsWith("\uFEFF"u8) ? 3 : 0;
        text = text[mark..];
        if (!System.Text.Unicode.Utf8.IsValid(text))
        {
            int at = FirstInvalid(text);
            errors.Add(Place(text, at), $"the byte 0x{text[at]:x2}", "UTF-8");
            return null;
        }

        return IsSound(text, errors) ? JsonDocument.Parse(
            Utf8.AsMemory(mark),
            new JsonDocumentOptions { AllowTrailingCommas = true, CommentHandling = JsonCommentHandling.Skip, MaxDepth = s_options.MaxDepth }) : null;
    }

    private static bool IsSound(ReadOnlySpan<byte> text, PlanErrors errors)
    {
        Utf8JsonReader reader = new(text, s_options);
        try
        {
            while (reader.Read())
            {
                if (reader.CurrentDepth >= MaximumDepth)
                {
                    errors.Add(Place(text, (int)reader.TokenStartIndex), $"{MaximumDepth} levels of nesting", $"at most {MaximumDepth - 1}");
                    return false;
                }

                if (reader.ValueIsEscaped && !IsWholeCharacters(ref reader))
                {
                    errors.Add(Place(text, (int)reader.TokenStartIndex), "an escape that is half a character", "both halves of a surrogate pair");
                    return false;
                }
            }

            return true;
        }
        catch (JsonException broken)
        {
            // The reason stands in words that may differ between versions of .NET, so that only the place is taken from it.
            int line = (int)(broken.LineNumber ?? 0);
            int at = LineStart(text, line) + (int)(broken.BytePositionInLine ?? 0);
            errors.Add(Place(text, Math.Min(at, text.Length)), CharacterAt(text, at), "JSON, in which comments and trailing commas may stand");
            return false;
        }
    }

    private static bool IsWholeCharacters(ref Utf8JsonReader reader)
    {
        try
        {
            reader.GetString();
            return true;
        }
        catch (InvalidOperationException)
        {
            return false;
        }
    }

    private static int FirstInvalid(ReadOnlySpan<byte> text)
    {
        int at = 0;
        while (at < text.Length && Rune.DecodeFromUtf8(text[at..], out _, out int length) == OperationStatus.Done)
        {
            at += length;
        }

        return at;
    }

    private static int LineStart(ReadOnlySpan<byte> text, int line)
    {
        int start = 0;
        for (; line > 0; line--)
        {
            int feed = text[start..].IndexOf((byte)'\n');
            if (feed < 0)
            {
                break;
            }

            start += feed + 1;
        }

        return start;
    }

    /// <summary>Line and column, both from 1; the column in bytes, as editors for JSON show it where the text is ASCII.</summary>
    private static string Place(ReadOnlySpan<byte> text, int at)
    {
        int line = text[..at].Count((byte)'\n') + 1;
        int column = at - (text[..at].LastIndexOf((byte)'\n') + 1) + 1;
        return $"line {line}, column {column}";
    }

    private static string CharacterAt(ReadOnlySpan<byte> text, int at)
    {
        if (at >= text.Length)
        {
            return "the end of the document";
        }

        _ = Rune.DecodeFromUtf8(text[at..], out Rune rune, out _);
        return PlanText.Quote(rune.ToString());
    }
}
