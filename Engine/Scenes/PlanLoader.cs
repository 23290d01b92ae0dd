using System.Buffers;
using System.Security;
using System.Text;
using System.Text.Json;

namespace SuperSlab.Scenes;

/// <summary>
/// Reads a plan and the plans that it is based on: follows "base" from document to document, then reads them in the
/// opposite order, each over the result so far. Gives a valid plan, or an exception with the errors of all documents.
/// </summary>
internal static class PlanLoader
{
    public static ScenePlan Read(PlanDocument document, PlanSource? source)
    {
        PlanErrors errors = new();
        Stack<(string? Base, JsonDocument Json)> chain = new();
        try
        {
            bool isComplete = Follow(document, source, chain, errors);
            ScenePlan plan = PlanTable.Plan.Defaults;
            while (chain.TryPop(out (string? Base, JsonDocument Json) next))
            {
                using JsonDocument json = next.Json;
                errors.BaseName = next.Base;
                plan = PlanTable.Plan.Read(json.RootElement, string.Empty, plan, errors);
                if (json.RootElement.ValueKind != JsonValueKind.Object && plan.Name.Length == 0)
                    plan = plan with { Name = PlanName.Unknown };
            }

            if (isComplete)
                PlanRules.Check(plan, errors);

            errors.ThrowIfAny(document.Name);
            return plan;
        }
        finally
        {
            foreach ((_, JsonDocument json) in chain)
                json.Dispose();
        }
    }

    /// <summary>Puts the documents on the chain, the one without a base last.</summary>
    /// <returns>Whether all were found.</returns>
    private static bool Follow(
        PlanDocument document, PlanSource? source, Stack<(string? Base, JsonDocument Json)> chain, PlanErrors errors)
    {
        HashSet<string> seen = new(StringComparer.Ordinal);
        while (true)
        {
            JsonDocument? json = document.TryParse(errors);
            if (json is null)
                return false;

            chain.Push((errors.BaseName, json));
            if (document.Name is not null)
                seen.Add(document.Name);

            if (!TryReadBase(json.RootElement, out string reference))
                return true;

            string allowed = "no base, as there is nothing that finds it";
            PlanDocument? next = source?.Invoke(reference, document, out allowed);
            if (next is null || seen.Contains(next.Name!) || chain.Count == ScenePlan.MaximumBaseDepth)
            {
                if (next is not null)
                {
                    allowed = seen.Contains(next.Name!)
                        ? "a plan that is not based on this one"
                        : $"at most {ScenePlan.MaximumBaseDepth} plans, each based on the next";
                }

                errors.Add("base", PlanText.Quote(reference), allowed);
                return false;
            }

            errors.BaseName = CutText.WithDots(reference, 100);
            document = next;
        }
    }

    /// <summary>Gives the base that a document names. A base that is not text is an error found later.</summary>
    private static bool TryReadBase(JsonElement root, out string reference)
    {
        bool isText = root.ValueKind == JsonValueKind.Object
            && root.TryGetProperty("base"u8, out JsonElement value) && value.ValueKind == JsonValueKind.String;
        reference = isText ? root.GetProperty("base"u8).GetString()! : string.Empty;
        return isText;
    }
}

/// <summary>Finds the base of a document, or gives null.</summary>
/// <param name="reference">What the document calls it.</param>
/// <param name="from">The document.</param>
/// <param name="allowed">Where there is none: what may stand there instead.</param>
internal delegate PlanDocument? PlanSource(string reference, PlanDocument from, out string allowed);

/// <summary>Plans in files. No file is read beyond the longest plan.</summary>
internal static class PlanFile
{
    public static PlanDocument Open(string path)
    {
        using FileStream file = new(path, FileMode.Open, FileAccess.Read, FileShare.Read);
        byte[] buffer = new byte[ScenePlan.MaximumJsonBytes + 1];
        int length = file.ReadAtLeast(buffer, buffer.Length, throwOnEndOfStream: false);
        return new PlanDocument(Path.GetFullPath(path), buffer[..length]);
    }

    /// <summary>Finds a base by its path, relative to the file that names it.</summary>
    public static PlanDocument? Find(string reference, PlanDocument from, out string allowed)
    {
        allowed = "the path of a file, relative to this plan's";
        if (reference.Length == 0 || reference.Contains('\0', StringComparison.Ordinal) || Path.IsPathRooted(reference))
            return null;

        try
        {
            return Open(Path.Combine(Path.GetDirectoryName(from.Name!)!, reference));
        }
        catch (Exception refused) when (refused is IOException or UnauthorizedAccessException or SecurityException
            or ArgumentException or NotSupportedException)
        {
            allowed = "the path of a file that can be read, relative to this plan's";
            return null;
        }
    }
}

/// <summary>The text of a plan. <see cref="TryParse"/> keeps hostile documents away from the reader.</summary>
/// <param name="Name">Its file or name, by which cycles are found; null where it has none.</param>
/// <param name="Utf8">The JSON.</param>
internal sealed record PlanDocument(string? Name, byte[] Utf8)
{
    /// <summary>A plan has seven levels at most; deeper documents are refused early.</summary>
    public const int MaximumDepth = 16;

    private static readonly JsonReaderOptions s_reading = new()
    {
        AllowTrailingCommas = true,
        CommentHandling = JsonCommentHandling.Skip,
        MaxDepth = 2 * MaximumDepth,
    };

    private static readonly JsonDocumentOptions s_parsing = new()
    {
        AllowTrailingCommas = true,
        CommentHandling = JsonCommentHandling.Skip,
        MaxDepth = 2 * MaximumDepth,
    };

    /// <summary>
    /// Parses the text, or adds its error. Reading a parsed document does not throw: it is UTF-8 with whole characters
    /// as escapes, and of bounded depth.
    /// </summary>
    public JsonDocument? TryParse(PlanErrors errors)
    {
        ReadOnlySpan<byte> text = Utf8;
        if (text.Length > ScenePlan.MaximumJsonBytes)
        {
            string most = SizeText.Write(ScenePlan.MaximumJsonBytes);
            errors.Add("$", SizeText.Write((nuint)text.Length), $"at most {most}");
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

        return IsSound(text, errors) ? JsonDocument.Parse(Utf8.AsMemory(mark), s_parsing) : null;
    }

    private static bool IsSound(ReadOnlySpan<byte> text, PlanErrors errors)
    {
        Utf8JsonReader reader = new(text, s_reading);
        try
        {
            while (reader.Read())
            {
                bool isDeep = reader.CurrentDepth >= MaximumDepth;
                if (!isDeep && (!reader.ValueIsEscaped || IsWholeCharacters(ref reader)))
                    continue;

                string place = Place(text, (int)reader.TokenStartIndex);
                if (isDeep)
                    errors.Add(place, $"{MaximumDepth} levels of nesting", $"at most {MaximumDepth - 1}");
                else
                    errors.Add(place, "an escape that is half a character", "both halves of a surrogate pair");

                return false;
            }

            return true;
        }
        catch (JsonException broken)
        {
            // Only the place: the words of the reason differ between versions of .NET.
            int line = (int)(broken.LineNumber ?? 0);
            int at = Math.Min(LineStart(text, line) + (int)(broken.BytePositionInLine ?? 0), text.Length);
            errors.Add(Place(text, at), CharacterAt(text, at), "JSON, in which comments and trailing commas may stand");
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
            at += length;

        return at;
    }

    private static int LineStart(ReadOnlySpan<byte> text, int line)
    {
        int start = 0;
        for (; line > 0; line--)
        {
            int feed = text[start..].IndexOf((byte)'\n');
            if (feed < 0)
                break;

            start += feed + 1;
        }

        return start;
    }

    /// <summary>Line and column, both from 1; the column in bytes, which is what editors show of ASCII.</summary>
    private static string Place(ReadOnlySpan<byte> text, int at)
    {
        int line = text[..at].Count((byte)'\n') + 1;
        int column = at - (text[..at].LastIndexOf((byte)'\n') + 1) + 1;
        return $"line {line}, column {column}";
    }

    private static string CharacterAt(ReadOnlySpan<byte> text, int at)
    {
        if (at >= text.Length)
            return "the end of the document";

        _ = Rune.DecodeFromUtf8(text[at..], out Rune rune, out _);
        return PlanText.Quote(rune.ToString());
    }
}
