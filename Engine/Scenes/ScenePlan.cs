using System.Globalization;

namespace SuperSlab.Scenes;

/// <summary>
/// What one scene prewarms, what it may use, and the rules for its hot loop. Immutable. Made in code, or read from
/// JSON, for which scene-plan.schema.json is the schema:
/// <code>
/// {
///   "base": "common.json",                       // holds where this plan says nothing
///   "name": "forest",
///   "frame": { "bytesPerLane": "1 MiB", "lanes": 2, "buffers": 2, "overflowSuperSlabs": 1 },
///   "arenas": {
///     "world": {
///       "budget": { "soft": "96 MiB", "hard": "128 MiB" },
///       "prewarm": { "blocks": [ { "bytes": 64, "count": 100000 } ], "superSlabs": 4 },
///       "threads": 2, "carve": true, "overflow": "fail", "retain": "16 MiB",
///     },
///   },
///   "prefault": "automatic", "pages": "automatic",
///   "hotLoop": { "warmUpFrames": 60, "pageFaults": { "allowed": 0, "action": "throw" } },
/// }
/// </code>
/// Any thread; not for the hot loop.
/// </summary>
/// <remarks>A property here needs a row in PlanTable, which reads, checks, writes and merges it.</remarks>
public sealed record ScenePlan
{
    /// <summary>The largest JSON document that is read, in bytes: 1 MiB.</summary>
    public const int MaximumJsonBytes = 1 << 20;

    /// <summary>The most documents that may be based on one another, the plan's own included: 8.</summary>
    public const int MaximumBaseDepth = 8;

    private const double MaximumHeadroom = 16;

    /// <summary>The scene's name, with which the names of its arenas begin. 1 to 100 characters.</summary>
    public string Name { get; init; } = "scene";

    /// <summary>The frame arena. Null, the default, where the scene has none.</summary>
    public FrameArenaOptions? FrameArena { get; init; }

    /// <summary>The long-lived arenas, at most 256, each with a name of its own.</summary>
    public IReadOnlyList<ArenaPlan> Arenas { get; init; } = [];

    /// <summary>
    /// How memory that is not ready in the reserve is prefaulted, except <see cref="PrefaultPolicy.None"/>. Default:
    /// see <see cref="EngineMemoryOptions.Prefault"/>.
    /// </summary>
    public PrefaultPolicy Prefault { get; init; }

    /// <summary>The kind of pages. Default: <see cref="EngineMemoryOptions.Pages"/>.</summary>
    public PageKind Pages { get; init; }

    /// <summary>
    /// What keeps the scene's pages, and the tables while it is loaded, where they are. Default <see
    /// cref="StayPolicy.None"/>: as <see cref="EngineMemoryOptions.Stay"/> says.
    /// </summary>
    public StayPolicy Stay { get; init; }

    /// <summary>
    /// How much of each arena's last SuperSlab is prefaulted. Default <see cref="PrefaultGranularity.SuperSlab"/>: as
    /// <see cref="EngineMemoryOptions.Granularity"/> says.
    /// </summary>
    public PrefaultGranularity Granularity { get; init; }

    /// <summary>The rules for the frames between load and unload.</summary>
    public HotLoopRules HotLoop { get; init; } = new();

    /// <summary>
    /// The sum of the arenas' <see cref="ArenaPlan.RetainBytes"/>. From the unload until <see
    /// cref="EngineMemory.Trim"/> the reserve of prefaulted memory may hold this much, or what <see
    /// cref="EngineMemoryOptions.RetainBytes"/> or another unloaded scene allows if that is more.
    /// </summary>
    public nuint RetainBytes
    {
        get
        {
            nuint sum = 0;
            foreach (ArenaPlan arena in Arenas)
                sum = arena.RetainBytes > nuint.MaxValue - sum ? nuint.MaxValue : sum + arena.RetainBytes;

            return sum;
        }
    }

    internal PrefaultChoice Choice => new(Prefault, Pages, Stay, Granularity);

    /// <summary>Reads a plan from JSON. Comments and trailing commas are allowed, unknown properties are not.</summary>
    /// <param name="utf8">The document, UTF-8, at most <see cref="MaximumJsonBytes"/>.</param>
    /// <param name="resolveBase">Gives the document that a "base" names, or null. Null allows no base.</param>
    /// <exception cref="ScenePlanException">The plan or a base has errors; the exception has all of them.</exception>
    public static ScenePlan Parse(ReadOnlySpan<byte> utf8, Func<string, byte[]?>? resolveBase = null) =>
        PlanLoader.Read(new PlanDocument(null, utf8.ToArray()), resolveBase is null ? null : Source(resolveBase));

    /// <summary>Reads a plan from a file. A "base" is a path relative to the file that names it.</summary>
    /// <exception cref="ScenePlanException">The plan or a base has errors; the exception has all of them.</exception>
    /// <exception cref="IOException">The file cannot be read. For a base this is an error of the plan.</exception>
    /// <exception cref="UnauthorizedAccessException">The file may not be read.</exception>
    public static ScenePlan Load(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        return PlanLoader.Read(PlanFile.Open(path), PlanFile.Find);
    }

    /// <summary>The worst case of several plans, such as recordings of one scene.</summary>
    /// <param name="plans">
    /// At least one. Frame arena, blocks, SuperSlabs, threads, budgets and retained bytes are the largest of all. Name,
    /// policies and rules are the first plan's; for an arena, those of the first plan that has it.
    /// </param>
    /// <param name="headroom">
    /// The factor for prewarmed blocks, SuperSlabs and bytes per lane, 1 to 16: 1.1 leaves ten percent.
    /// </param>
    /// <exception cref="ArgumentException">There is no plan.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The headroom is not from 1 to 16.</exception>
    /// <exception cref="ScenePlanException">A plan or the result is not valid: budgets do not grow.</exception>
    public static ScenePlan Merge(IReadOnlyList<ScenePlan> plans, double headroom = 1.0)
    {
        ArgumentNullException.ThrowIfNull(plans);
        if (plans.Count == 0)
            throw new ArgumentException("There is no plan to merge; give one at least.", nameof(plans));

        if (!(headroom >= 1 && headroom <= MaximumHeadroom))
        {
            throw new ArgumentOutOfRangeException(
                nameof(headroom), headroom, string.Create(
                    CultureInfo.InvariantCulture,
                        $"The headroom is {headroom}; it must be from 1 to {MaximumHeadroom}."));
        }

        // The first plan is merged with itself, too: that adds up its blocks of one class.
        ScenePlan merged = plans[0];
        foreach (ScenePlan plan in plans)
        {
            plan.Validate();
            merged = PlanTable.Plan.Merge(merged, plan);
        }

        merged = PlanTable.Plan.Grow(merged, headroom);
        merged.Validate();
        return merged;
    }

    /// <summary>The plan as indented JSON for <see cref="Parse"/>, without what is at its default.</summary>
    /// <exception cref="ScenePlanException">The plan is not valid.</exception>
    public string ToJson()
    {
        Validate();
        return PlanTable.Write(this);
    }

    /// <summary>Checks a plan that was made in code. A plan that was read is valid.</summary>
    /// <exception cref="ScenePlanException">The plan has errors; the exception has all of them.</exception>
    public void Validate()
    {
        // Levels are loaded beside frames, so a valid plan makes as little garbage as can be.
        PlanErrors count = new(namesPlaces: false);
        PlanRules.Check(this, count);
        if (count.IsEmpty)
            return;

        PlanErrors errors = new();
        PlanRules.Check(this, errors);
        errors.ThrowIfAny(Name);
    }

    private static PlanSource Source(Func<string, byte[]?> resolve) =>
        (string reference, PlanDocument from, out string allowed) =>
        {
            allowed = "the name of a plan that exists";
            return resolve(reference) is { } utf8 ? new PlanDocument(reference, utf8) : null;
        };
}

/// <summary>One long-lived arena of a scene: what it prewarms and what it may hold. Immutable; any thread.</summary>
public sealed record ArenaPlan
{
    /// <summary>The arena's name in the scene. 1 to 64 characters.</summary>
    public string Name { get; init; } = "main";

    /// <summary>The blocks that the arena holds at its peak, each size once.</summary>
    public IReadOnlyList<BlockCount> Blocks { get; init; } = [];

    /// <summary>SuperSlabs (2 MiB each) to prewarm besides, for blocks of any size up to 2 MiB.</summary>
    public int SuperSlabCount { get; init; }

    /// <summary>
    /// SuperSlabs in which all of <see cref="Blocks"/> live together, where <see cref="Carve"/> is false: so many are
    /// prewarmed, and slabs wander between the sizes as they are needed. 0, the default, prewarms each size's own peak:
    /// more memory, as not all sizes have their peaks at the same time. Tables are made for the sizes of those blocks;
    /// where there are none, for every size.
    /// </summary>
    public int TogetherSuperSlabCount { get; init; }

    /// <summary>Threads that use the arena at the same time, 1 to 512. Default 1.</summary>
    public int ThreadCount { get; init; } = 1;

    /// <summary>
    /// Whether size classes are promised their slabs at load, so that no other can take them. Default true.
    /// </summary>
    public bool Carve { get; init; } = true;

    /// <summary>
    /// How many bytes of SuperSlabs the arena may hold, and what happens beyond. In JSON it has no
    /// <see cref="ArenaBudget.OnOverflow"/>; <see cref="SceneLoadOptions.OnOverflow"/> may give one. Default: no limit.
    /// </summary>
    public ArenaBudget Budget { get; init; } = new();

    /// <summary>
    /// Prefaulted bytes that the reserve keeps for this arena after the unload (<see cref="ScenePlan.RetainBytes"/>).
    /// Default 0.
    /// </summary>
    public nuint RetainBytes { get; init; }
}

/// <summary>A scene plan is not valid. <see cref="Errors"/> and the message have all its errors, up to 100.</summary>
public sealed class ScenePlanException : EngineMemoryException
{
    /// <summary>An exception without a particular message.</summary>
    public ScenePlanException()
        : base("The scene plan is not valid.")
    {
    }

    /// <summary>An exception whose <paramref name="message"/> is a sentence that says what went wrong.</summary>
    public ScenePlanException(string message)
        : base(message)
    {
    }

    /// <summary>An exception with a message and the exception that led to it.</summary>
    public ScenePlanException(string message, Exception innerException)
        : base(message, innerException)
    {
    }

    internal ScenePlanException(string message, IReadOnlyList<ScenePlanError> errors)
        : base(message) => Errors = errors;

    /// <summary>The errors, in the order of the document.</summary>
    public IReadOnlyList<ScenePlanError> Errors { get; } = [];
}

/// <summary>One error of a scene plan.</summary>
/// <param name="Path">
/// Where: "arenas.world.budget.hard"; "line 3, column 5" where it is not JSON; "common.json: name" in a base.
/// </param>
/// <param name="Found">What stands there.</param>
/// <param name="Allowed">What may stand there.</param>
public sealed record ScenePlanError(string Path, string Found, string Allowed)
{
    /// <summary>The error as a sentence.</summary>
    public override string ToString() => $"{Path}: found {Found}; allowed: {Allowed}.";
}
