using System.Security;
using System.Text.Json;

namespace SuperSlab.Scenes;

/// <summary>
/// Reads a plan with the plans that it is based on: follows "base" from document to document, then reads them in the opposite order, each
/// over what the one before it said. The result is a whole valid plan or an exception with every error of every document.
/// </summary>
internal static class PlanLoader
{
    public static ScenePlan Read(PlanDocument document, PlanSource? source)
    {
        PlanErrors errors = new();
        Stack<(string? Reference, JsonDocument Json)> chain = new();
        try
        {
            bool isComplete = Follow(document, source, chain, errors);
            ScenePlan plan = new() { Name = string.Empty };
            while (chain.TryPop(out (string? Reference, JsonDocument Json) next))
            {
                using JsonDocument json = next.Json;
                errors.BaseName = next.Reference;
                plan = new PlanReader(new PlanValues(errors)).Read(json.RootElement, plan);
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

    /// <summary>Puts the documents on the chain, the one that is based on nothing last.</summary>
    /// <returns>Whether all are there, so that what is missing is missing.</returns>
    private static bool Follow(PlanDocument document, PlanSource? source, Stack<(string? Reference, JsonDocument Json)> chain, PlanErrors errors)
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

            PlanDocument? next = Resolve(reference, document, source, out string allowed);
            if (next is null || seen.Contains(next.Name!) || chain.Count == ScenePlan.MaximumBaseDepth)
            {
                errors.Add("base", PlanText.Quote(reference), next is null ? allowed : seen.Contains(next.Name!)
                    ? "a plan that is not based on this one"
                    : $"at most {ScenePlan.MaximumBaseDepth} plans, each based on the next");
                return false;
            }

            errors.BaseName = PlanText.Cut(reference, 100);
            document = next;
        }
    }

    private static PlanDocument? Resolve(string reference, PlanDocument document, PlanSource? source, out string allowed)
    {
        allowed = "no base, as there is nothing that finds it";
        return source?.Find(reference, document, out allowed);
    }

    /// <summary>The base that a document names; what else may be wrong with the property is told when the document is read.</summary>
    private static bool TryReadBase(JsonElement root, out string reference)
    {
        reference = string.Empty;
        if (root.ValueKind != JsonValueKind.Object || !root.TryGetProperty("base"u8, out JsonElement value) || value.ValueKind != JsonValueKind.String)
            return false;

        reference = value.GetString()!;
        return true;
    }
}

/// <summary>Where base plans come from.</summary>
internal abstract class PlanSource
{
    /// <summary>The document that <paramref name="from"/> calls <paramref name="reference"/>, or null with what is allowed instead.</summary>
    public abstract PlanDocument? Find(string reference, PlanDocument from, out string allowed);
}

/// <summary>Base plans from files, each named relative to the file that names it. Files are read no further than a plan may be long.</summary>
internal sealed class FileSource : PlanSource
{
    public static PlanDocument Open(string path)
    {
        using FileStream file = new(path, FileMode.Open, FileAccess.Read, FileShare.Read);
        byte[] buffer = new byte[ScenePlan.MaximumJsonBytes + 1];
        int length = file.ReadAtLeast(buffer, buffer.Length, throwOnEndOfStream: false);
        return new PlanDocument(Path.GetFullPath(path), buffer[..length]);
    }

    /// <inheritdoc/>
    public override PlanDocument? Find(string reference, PlanDocument from, out string allowed)
    {
        allowed = "the path of a file, relative to this plan's";
        if (reference.Length == 0 || reference.Contains('\0', StringComparison.Ordinal) || Path.IsPathRooted(reference))
            return null;

        try
        {
            return Open(Path.Combine(Path.GetDirectoryName(from.Name!)!, reference));
        }
        catch (Exception refused) when (refused is IOException or UnauthorizedAccessException or SecurityException or ArgumentException or NotSupportedException)
        {
            allowed = "the path of a file that can be read, relative to this plan's";
            return null;
        }
    }
}

/// <summary>Base plans from a function of the caller's: a packed file, an editor's open documents.</summary>
internal sealed class FunctionSource(Func<string, byte[]?> resolve) : PlanSource
{
    /// <inheritdoc/>
    public override PlanDocument? Find(string reference, PlanDocument from, out string allowed)
    {
        allowed = "the name of a plan that exists";
        byte[]? utf8 = resolve(reference);
        return utf8 is null ? null : new PlanDocument(reference, utf8);
    }
}
