using System.Globalization;
using System.Numerics;
using System.Text;
using System.Text.Json;

namespace SuperSlab.Scenes;

/// <summary>
/// A type of values in a plan: how they are read, checked, written and merged, and their schema. A value that is not
/// allowed is added to the errors; reading goes on with the value from before and finds the other errors.
/// </summary>
internal abstract class PlanType<T>
{
    /// <summary>What may stand there, for messages.</summary>
    public abstract string Allowed { get; }

    /// <summary>What stands between the braces of the type's schema.</summary>
    public abstract string Schema { get; }

    /// <param name="value">What stands in the document.</param>
    /// <param name="path">Where it stands.</param>
    /// <param name="before">The value that the base plan or the default gives.</param>
    /// <param name="errors">Gets what is not allowed.</param>
    public abstract T Read(JsonElement value, string path, T before, PlanErrors errors);

    /// <summary>Checks a value that may have been made in code.</summary>
    public virtual void Check(T value, string path, PlanErrors errors)
    {
    }

    public abstract void Write(Utf8JsonWriter json, T value);

    /// <summary>Whether a plan need not say the one where the other is the default.</summary>
    public virtual bool IsSame(T one, T other) => EqualityComparer<T>.Default.Equals(one, other);

    /// <summary>What serves for both; what cannot be compared is the first plan's.</summary>
    public virtual T Merge(T one, T other) => one;

    /// <summary>What is prewarmed is multiplied by the headroom.</summary>
    public virtual T Grow(T value, double headroom) => value;
}

/// <summary>How numbers of several plans become one.</summary>
internal enum PlanMerge
{
    /// <summary>The first plan's.</summary>
    First,

    /// <summary>The largest.</summary>
    Largest,

    /// <summary>The largest, multiplied by the headroom.</summary>
    LargestGrown,

    /// <summary>The largest limit, where 0 is no limit. A document may not say 0.</summary>
    LargestLimit,
}

/// <summary>A whole number, or a size in bytes.</summary>
internal sealed class PlanNumber<T>(PlanRange range, PlanMerge merge = PlanMerge.First) : PlanType<T>
    where T : struct, IBinaryInteger<T>
{
    public override string Allowed => range.Text;

    public override string Schema
    {
        get
        {
            string integer = $"\"type\": \"integer\", \"minimum\": {range.Minimum}, \"maximum\": {range.Maximum}";
            string pattern = SizeText.Pattern.Replace(@"\", @"\\", StringComparison.Ordinal);
            return !range.IsSize ? integer
                : $"\"oneOf\": [ {{ {integer} }}, {{ \"type\": \"string\", \"pattern\": \"{pattern}\" }} ]";
        }
    }

    public override T Read(JsonElement value, string path, T before, PlanErrors errors)
    {
        decimal number = decimal.MinValue;
        if (value.ValueKind == JsonValueKind.Number && value.TryGetDecimal(out decimal found))
            number = found; // 48.0 and 1e5 are whole numbers, too, as in the schema
        else if (range.IsSize && value.ValueKind == JsonValueKind.String)
            number = SizeText.Parse(value.GetString()!);

        if (range.Contains(number) && number == decimal.Truncate(number))
            return T.CreateChecked(number);

        errors.Add(path, value, range.Text);
        return before;
    }

    public override void Check(T value, string path, PlanErrors errors)
    {
        bool isNoLimit = merge == PlanMerge.LargestLimit && T.IsZero(value);
        if (!isNoLimit && !range.Contains(decimal.CreateChecked(value)))
            errors.Add(path, value.ToString(null, CultureInfo.InvariantCulture), range.Text);
    }

    public override void Write(Utf8JsonWriter json, T value)
    {
        long number = long.CreateChecked(value);
        if (range.IsSize && number % 1024 == 0 && number != 0)
            json.WriteStringValue(SizeText.Write((nuint)number));
        else
            json.WriteNumberValue(number);
    }

    public override T Merge(T one, T other) => merge switch
    {
        PlanMerge.First => one,
        PlanMerge.LargestLimit when T.IsZero(one) || T.IsZero(other) => T.Zero,
        _ => T.Max(one, other),
    };

    public override T Grow(T value, double headroom)
    {
        if (merge != PlanMerge.LargestGrown)
            return value;

        // A little less, so that 100 times 1.1 is 110.
        double grown = Math.Ceiling((double.CreateChecked(value) * headroom) - 1e-6);
        return grown >= range.Maximum ? T.CreateChecked(range.Maximum) : T.CreateChecked(grown);
    }
}

/// <summary>One of several words.</summary>
internal sealed class PlanChoice<T>(ChoiceWords<T> words) : PlanType<T>
    where T : struct, Enum
{
    public override string Allowed { get; } = List(words, CamelCase);

    /// <summary>Each word, and its older spelling where that is another.</summary>
    public override string Schema
    {
        get
        {
            string kebab = List(words, word => word);
            return $"\"enum\": [ {kebab}{(kebab == Allowed ? string.Empty : $", {List(words, CamelCase, '-')}")} ]";
        }
    }

    public override T Read(JsonElement value, string path, T before, PlanErrors errors)
    {
        string? text = value.ValueKind == JsonValueKind.String ? value.GetString() : null;
        foreach ((string word, T found) in words.All)
        {
            if (text == word || text == CamelCase(word))
                return found;
        }

        errors.Add(path, value, Allowed);
        return before;
    }

    public override void Check(T value, string path, PlanErrors errors)
    {
        if (words.WordOf(value) is null)
            errors.Add(path, value.ToString(), Allowed);
    }

    public override void Write(Utf8JsonWriter json, T value) => json.WriteStringValue(words.WordOf(value));

    /// <summary>The spelling of older plans, which messages still name.</summary>
    private static string CamelCase(string word)
    {
        StringBuilder text = new(word);
        for (int dash = word.LastIndexOf('-'); dash >= 0; dash = word[..dash].LastIndexOf('-'))
        {
            text[dash + 1] = char.ToUpperInvariant(text[dash + 1]);
            text.Remove(dash, 1);
        }

        return text.ToString();
    }

    private static string List(ChoiceWords<T> words, Func<string, string> spelling, char having = '\0')
    {
        List<string> list = [];
        foreach ((string word, _) in words.All)
        {
            if (having == '\0' || word.Contains(having, StringComparison.Ordinal))
                list.Add($"\"{spelling(word)}\"");
        }

        return string.Join(", ", list);
    }
}

/// <summary>True or false.</summary>
internal sealed class PlanFlag : PlanType<bool>
{
    public override string Allowed => "true, false";

    public override string Schema => "\"type\": \"boolean\"";

    public override bool Read(JsonElement value, string path, bool before, PlanErrors errors)
    {
        if (value.ValueKind is JsonValueKind.True or JsonValueKind.False)
            return value.GetBoolean();

        errors.Add(path, value, Allowed);
        return before;
    }

    public override void Write(Utf8JsonWriter json, bool value) => json.WriteBooleanValue(value);
}

/// <summary>Text that the plan does not keep: the schema's address, and the base, which was followed before.</summary>
internal sealed class PlanRemark : PlanType<string>
{
    public override string Allowed => "text";

    public override string Schema => "\"type\": \"string\"";

    public override string Read(JsonElement value, string path, string before, PlanErrors errors)
    {
        if (value.ValueKind != JsonValueKind.String)
            errors.Add(path, value, Allowed);

        return before;
    }

    public override void Write(Utf8JsonWriter json, string value) => json.WriteStringValue(value);
}

/// <summary>A name that can be printed, of at most <paramref name="most"/> characters (code points).</summary>
internal sealed class PlanName(int most) : PlanType<string>
{
    /// <summary>Stands for a name that is not valid, so that it is not reported as missing, too.</summary>
    public const string Unknown = "?";

    public override string Allowed => $"text of 1 to {most} characters, none of them a control character";

    public override string Schema => $"\"type\": \"string\", \"minLength\": 1, \"maxLength\": {most}";

    public override string Read(JsonElement value, string path, string before, PlanErrors errors)
    {
        string? name = value.ValueKind == JsonValueKind.String ? value.GetString() : null;
        if (IsValid(name))
            return name!;

        errors.Add(path, value, Allowed);
        return before.Length == 0 ? Unknown : before;
    }

    public override void Check(string value, string path, PlanErrors errors)
    {
        if (!IsValid(value))
            errors.Add(path, value.Length == 0 ? "nothing" : PlanText.Quote(value), Allowed);
    }

    public override void Write(Utf8JsonWriter json, string value) => json.WriteStringValue(value);

    public bool IsValid(string? name)
    {
        if (string.IsNullOrEmpty(name) || name.Length > 2 * most)
            return false;

        int length = 0;
        foreach (Rune rune in name.EnumerateRunes())
        {
            length++;
            if (Rune.IsControl(rune) || rune == Rune.ReplacementChar)
                return false;
        }

        return length <= most;
    }
}
