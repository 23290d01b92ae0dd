using Engine.Platform;
using Engine.Slabs;

namespace Engine.Scenes;

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
