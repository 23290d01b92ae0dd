using System.Text.Json;
using System.Text.Json.Nodes;

namespace SuperSlab.Diagnostics;

/// <summary>
/// Profiles of older versions in the shape of today's. Version 1 named arenas where version 2 numbers them, had a field
/// for each column of the frames, no units in names, and of tags no bytes allocated and freed. Cold.
/// </summary>
internal static class ProfileVersions
{
    private static readonly (string Old, string New)[] s_frameColumns =
    [
        ("starts", "start"), ("nanoseconds", "nanoseconds"), ("allocations", "allocations"),
        ("allocatedBytes", "allocated_bytes"), ("pageFaults", "page_faults"), ("overflows", "overflows"),
        ("managedBytes", "managed_bytes"), ("collections", "collections"),
    ];

    /// <summary>The rows of a file, or none where it lacks them.</summary>
    /// <exception cref="JsonException">One of them is null.</exception>
    public static IReadOnlyList<T> Rows<T>(IReadOnlyList<T>? rows) =>
        rows is null ? []
        : default(T) is null && rows.Any(row => row is null) ? throw new JsonException("One of its rows is null.")
        : rows;

    /// <summary>The version of a profile's text; 1 where it says none.</summary>
    /// <exception cref="JsonException">It is no JSON, no object, or its version is no whole number.</exception>
    public static int Of(ReadOnlySpan<byte> json)
    {
        Utf8JsonReader reader = new(json);
        if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject)
            throw new JsonException("It is no object of JSON.");

        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            bool isVersion = reader.ValueTextEquals("version"u8);
            reader.Read();
            if (isVersion)
            {
                return reader.TokenType == JsonTokenType.Number && reader.TryGetInt32(out int version)
                    ? version
                    : throw new JsonException("Its version is no whole number.");
            }

            reader.Skip();
        }

        return 1;
    }

    /// <summary>A profile of version 1 as one of version 2.</summary>
    /// <exception cref="JsonException">It is no such profile.</exception>
    public static JsonNode FromFirst(ReadOnlySpan<byte> json)
    {
        try
        {
            JsonObject root = (JsonObject)JsonNode.Parse(json)!;
            if (!root.Remove("reservation", out JsonNode? totals) || totals is not JsonObject)
                throw new JsonException("It has no reservation, as a profile of version 1 has.");

            root["version"] = ProfileDocument.CurrentVersion;
            root["totals"] = Renamed(
                (JsonObject)totals, ("base", "baseAddress"), ("ownedSuperSlabs", "ownedSuperSlabCount"),
                ("readySuperSlabs", "readySuperSlabCount"), ("osCalls", "osCallCount"));
            UpgradeRows(root);
            if (root["frames"] is JsonObject frames)
                UpgradeFrames(frames);

            (root["memory"] as JsonObject)?.Remove("tags");
            return root;
        }
        catch (Exception error) when (error is InvalidOperationException or ArgumentException)
        {
            // A value of another kind, or a property that stands twice.
            throw new JsonException("It is no whole profile of version 1: " + error.Message, error);
        }
    }

    private static void UpgradeRows(JsonObject root)
    {
        Dictionary<string, int> numbers = [];
        int number = 0;
        foreach (JsonObject arena in Rows(root, "arenas"))
        {
            arena["number"] = ++number;
            numbers.TryAdd(Text(arena, "name"), number);
            arena["isFrame"] = Text(arena, "kind") == "frame";
            Renamed(
                arena, ("superSlabs", "superSlabCount"), ("softBudget", "softBudgetBytes"),
                ("hardBudget", "hardBudgetBytes"), ("softOverruns", "softOverrunCount"),
                ("hardOverruns", "hardOverrunCount"));
        }

        foreach (string table in (string[])["superSlabs", "classes", "lanes", "threadCaches"])
        {
            foreach (JsonObject row in Rows(root, table))
            {
                row["arenaNumber"] = numbers.GetValueOrDefault(Text(row, "arena"));
                Renamed(
                    row, ("live", "liveCount"), ("free", "freeCount"), ("cached", "cachedCount"),
                    ("blocks", "blockCount"));
            }
        }

        int tagNumber = 0;
        foreach (JsonObject tag in Rows(root, "tags"))
        {
            // The first was that of code without a tag.
            tag["number"] = tagNumber++;
            Renamed(tag, ("allocations", "allocationCount"), ("frees", "freeCount"));
        }

        foreach (JsonObject span in Rows(root, "events"))
            Renamed(span, ("start", "startNanoseconds"));
    }

    private static void UpgradeFrames(JsonObject frames)
    {
        JsonObject columns = [];
        foreach ((string old, string name) in s_frameColumns)
        {
            if (frames.Remove(old, out JsonNode? values) && values is JsonArray { Count: > 0 })
                columns[name] = values;
        }

        frames["columns"] = columns;
    }

    private static IEnumerable<JsonObject> Rows(JsonObject root, string table) =>
        root[table] is JsonArray rows ? rows.OfType<JsonObject>() : [];

    private static string Text(JsonObject row, string name) => row[name]?.GetValue<string>() ?? "";

    private static JsonObject Renamed(JsonObject row, params ReadOnlySpan<(string Old, string New)> names)
    {
        foreach ((string old, string name) in names)
        {
            if (row.Remove(old, out JsonNode? value))
                row[name] = value;
        }

        return row;
    }
}
