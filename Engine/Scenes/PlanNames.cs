namespace Engine.Scenes;

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
