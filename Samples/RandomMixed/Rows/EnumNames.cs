using System.Text;

namespace Samples.RandomMixed.Rows;

/// <summary>What the values of an enumeration are called on the command line and in JSON: PopulateWrite is "populate-write".</summary>
internal static class EnumNames<T>
    where T : struct, Enum
{
    /// <summary>The names, in the order of the values.</summary>
    public static readonly string[] All = Array.ConvertAll(Enum.GetValues<T>(), Of);

    /// <summary>The name of a value.</summary>
    public static string Of(T value)
    {
        var name = new StringBuilder();
        foreach (char letter in value.ToString())
        {
            bool isNextWord = char.IsAsciiLetterUpper(letter) && name.Length > 0;
            name.Append(isNextWord ? "-" : "").Append(char.ToLowerInvariant(letter));
        }

        return name.ToString();
    }

    /// <summary>The value with that name, or null.</summary>
    public static T? Find(string? name)
    {
        int index = Array.IndexOf(All, name);
        return index < 0 ? null : Enum.GetValues<T>()[index];
    }
}
