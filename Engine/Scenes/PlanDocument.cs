using System.Buffers;
using System.Globalization;
using System.Text.Json;
using System.Text;

namespace SuperSlab.Scenes;

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
            return "the end of the document";

        _ = Rune.DecodeFromUtf8(text[at..], out Rune rune, out _);
        return PlanText.Quote(rune.ToString());
    }
}

/// <summary>The properties that each object of a plan may have; the schema has the same, which a test holds them to.</summary>
internal static class PlanNames
{
    public static readonly string[] Plan = ["$schema", "base", "name", "frame", "arenas", "prefault", "pages", "hotLoop"];
    public static readonly string[] Frame = ["bytesPerLane", "lanes", "buffers", "overflowSuperSlabs"];
    public static readonly string[] Arena = ["budget", "prewarm", "threads", "carve", "overflow", "retain"];
    public static readonly string[] Budget = ["soft", "hard"];
    public static readonly string[] Prewarm = ["blocks", "superSlabs"];
    public static readonly string[] Block = ["bytes", "count", "threads"];
    public static readonly string[] HotLoop =
        ["warmUpFrames", "pageFaults", "osCalls", "managedBytes", "collections", "frameOverflow", "budgetOverrun", "tagOverrun"];

    public static readonly string[] Rule = ["allowed", "action"];
}

/// <summary>The words that a plan has for the values of an enumeration.</summary>
internal sealed class PlanChoices<T>(params (string Word, T Value)[] choices)
    where T : struct, Enum
{
    public string Text { get; } = string.Join(", ", Array.ConvertAll(choices, choice => $"\"{choice.Word}\""));

    public string[] Words => Array.ConvertAll(choices, choice => choice.Word);

    public bool TryFind(string? word, out T value)
    {
        int index = Array.FindIndex(choices, choice => choice.Word == word);
        value = index < 0 ? default : choices[index].Value;
        return index >= 0;
    }

    /// <summary>The word for a value, or null where a plan cannot have it.</summary>
    public string? WordOf(T value) => Array.Find(choices, choice => EqualityComparer<T>.Default.Equals(choice.Value, value)).Word;
}

/// <summary>The words of each enumeration in a plan.</summary>
internal static class PlanChoices
{
    /// <summary>Without <see cref="PrefaultPolicy.None"/>: a reserve with memory that is not resident would be no reserve.</summary>
    public static readonly PlanChoices<PrefaultPolicy> Prefault = new(
        ("automatic", PrefaultPolicy.Automatic),
        ("touch", PrefaultPolicy.Touch),
        ("clear", PrefaultPolicy.Clear),
        ("populateAtMapping", PrefaultPolicy.PopulateAtMapping),
        ("populateWrite", PrefaultPolicy.PopulateWrite),
        ("lock", PrefaultPolicy.Lock),
        ("prefetch", PrefaultPolicy.Prefetch));

    public static readonly PlanChoices<PageKind> Pages = new(
        ("automatic", PageKind.Automatic),
        ("normal", PageKind.Normal),
        ("transparentHuge", PageKind.TransparentHuge),
        ("explicitHuge", PageKind.ExplicitHuge));

    public static readonly PlanChoices<ArenaOverflow> Overflow = new(
        ("grow", ArenaOverflow.Grow),
        ("fail", ArenaOverflow.Fail),
        ("callback", ArenaOverflow.Callback));

    public static readonly PlanChoices<HotLoopAction> Action = new(
        ("count", HotLoopAction.Count),
        ("log", HotLoopAction.Log),
        ("throw", HotLoopAction.Throw),
        ("callback", HotLoopAction.Callback));
}

/// <summary>
/// Collects the errors of a plan, so that all are told at once. A hostile document may have a million of them: the first
/// <see cref="Maximum"/> are kept and the rest is counted.
/// </summary>
internal sealed class PlanErrors
{
    public const int Maximum = 100;

    private readonly List<ScenePlanError> _errors = [];
    private int _more;

    /// <summary>The base document that is being read, and whose name goes before the path; null in the plan's own.</summary>
    public string? BaseName { get; set; }

    public bool IsEmpty => _errors.Count == 0;

    public void Add(string path, string found, string allowed)
    {
        if (_errors.Count == Maximum)
        {
            _more++;
            return;
        }

        _errors.Add(new ScenePlanError(BaseName is null ? path : $"{BaseName}: {path}", found, allowed));
    }

    /// <param name="name">The plan's file or name, for the message; null where it has none.</param>
    public void ThrowIfAny(string? name)
    {
        if (IsEmpty)
            return;

        string which = string.IsNullOrEmpty(name) ? "The scene plan" : $"Scene plan '{PlanText.Cut(name, 200)}'";
        if (_errors.Count == 1)
            throw new ScenePlanException($"{which} has an error. {_errors[0]}", _errors);

        string count = (_errors.Count + _more).ToString(CultureInfo.InvariantCulture);
        string more = _more == 0 ? string.Empty : $"\n  and {_more} more.";
        throw new ScenePlanException($"{which} has {count} errors:\n  {string.Join("\n  ", _errors)}{more}", _errors);
    }
}
