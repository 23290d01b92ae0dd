using System.Globalization;

namespace Engine.Scenes;

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
        {
            return;
        }

        string which = string.IsNullOrEmpty(name) ? "The scene plan" : $"Scene plan '{PlanText.Cut(name, 200)}'";
        if (_errors.Count == 1)
        {
            throw new ScenePlanException($"{which} has an error. {_errors[0]}", _errors);
        }

        string count = (_errors.Count + _more).ToString(CultureInfo.InvariantCulture);
        string more = _more == 0 ? string.Empty : $"\n  and {_more} more.";
        throw new ScenePlanException($"{which} has {count} errors:\n  {string.Join("\n  ", _errors)}{more}", _errors);
    }
}
