namespace SuperSlab.Scenes;

/// <summary>
/// What one scene prewarms, what it may use, and what its hot loop is held to. Immutable; made in code, or read from JSON that the schema
/// scene-plan.schema.json describes:
/// <code>
/// {
///   "base": "common.json",                       // what is not said here is as it says there
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
/// Any thread; nothing here is for the hot loop.
/// </summary>
public sealed record ScenePlan
{
    /// <summary>The largest JSON document that is read, in bytes: 1 MiB.</summary>
    public const int MaximumJsonBytes = 1 << 20;

    /// <summary>How many documents may be based on one another, the plan's own included: 8.</summary>
    public const int MaximumBaseDepth = 8;

    /// <summary>The scene's name, with which the names of its arenas begin. 1 to 100 characters.</summary>
    public string Name { get; init; } = "scene";

    /// <summary>The frame arena: bytes per lane, lanes (one a worker), buffers. Null, the default, where the scene has none.</summary>
    public FrameArenaOptions? Frame { get; init; }

    /// <summary>The long-lived arenas, at most 256, each with a name of its own.</summary>
    public IReadOnlyList<ArenaPlan> Arenas { get; init; } = [];

    /// <summary>
    /// How the scene's memory is prefaulted, as far as it is not ready in the reserve. Default: as <see cref="EngineMemoryOptions.Prefault"/>
    /// says. <see cref="PrefaultPolicy.None"/> is no policy for a scene.
    /// </summary>
    public PrefaultPolicy Prefault { get; init; }

    /// <summary>The kind of pages. Default: as <see cref="EngineMemoryOptions.Pages"/> says.</summary>
    public PageKind Pages { get; init; }

    /// <summary>What the frames between load and unload are held to.</summary>
    public HotLoopRules HotLoop { get; init; } = new();

    /// <summary>
    /// What all arenas' <see cref="ArenaPlan.RetainBytes"/> are together. From the scene's unload on, the reserve of prefaulted memory may
    /// hold as much, where <see cref="EngineMemoryOptions.RetainBytes"/> or another unloaded scene does not allow more already. It ends with
    /// <see cref="EngineMemory.Trim"/>.
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

    /// <summary>Reads a plan from JSON. Comments and trailing commas are allowed; properties that are unknown or stand twice are not.</summary>
    /// <param name="utf8">The document, UTF-8, at most <see cref="MaximumJsonBytes"/>.</param>
    /// <param name="resolveBase">Gives the document that a "base" property names, or null where there is none. Null allows no base.</param>
    /// <exception cref="ScenePlanException">The plan, or one that it is based on, has errors: all of them are in the exception.</exception>
    public static ScenePlan Parse(ReadOnlySpan<byte> utf8, Func<string, byte[]?>? resolveBase = null) =>
        PlanLoader.Read(new PlanDocument(null, utf8.ToArray()), resolveBase is null ? null : new FunctionSource(resolveBase));

    /// <summary>Reads a plan from a file. A "base" is the path of another file, relative to the one that names it.</summary>
    /// <exception cref="ScenePlanException">The plan, or one that it is based on, has errors: all of them are in the exception.</exception>
    /// <exception cref="IOException">The file cannot be read. (A base that cannot be read is an error of the plan.)</exception>
    /// <exception cref="UnauthorizedAccessException">The file may not be read.</exception>
    public static ScenePlan Load(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        return PlanLoader.Read(FileSource.Open(path), new FileSource());
    }

    /// <summary>The worst case of several plans, such as recordings of one scene.</summary>
    /// <param name="plans">
    /// At least one. Frame arena, blocks, SuperSlabs, threads, budgets and what is retained are the largest of all; the name, policies and
    /// rules are those of the first plan (for an arena: of the first plan that has it).
    /// </param>
    /// <param name="headroom">
    /// What prewarmed blocks, SuperSlabs and bytes per lane are multiplied by, 1 to 16: 1.1 leaves ten percent. Budgets do not grow.
    /// </param>
    /// <exception cref="ArgumentException">There is no plan.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The headroom is not from 1 to 16.</exception>
    /// <exception cref="ScenePlanException">A plan, or the result, is not valid: the headroom may be more than a hard budget holds.</exception>
    public static ScenePlan Merge(IReadOnlyList<ScenePlan> plans, double headroom = 1.0) => PlanMerger.Merge(plans, headroom);

    /// <summary>The plan as JSON that <see cref="Parse"/> reads back, indented, without what is at its default.</summary>
    /// <exception cref="ScenePlanException">The plan is not valid.</exception>
    public string ToJson()
    {
        Validate();
        return PlanWriter.Write(this);
    }

    /// <summary>Checks a plan that was made in code. Plans that were read are valid.</summary>
    /// <exception cref="ScenePlanException">The plan has errors: all of them are in the exception.</exception>
    public void Validate()
    {
        PlanErrors errors = new();
        PlanRules.Check(this, errors);
        errors.ThrowIfAny(Name);
    }
}

/// <summary>One long-lived arena of a scene: what it prewarms and what it may hold. Immutable. Not for the hot loop; any thread.</summary>
public sealed record ArenaPlan
{
    /// <summary>What the scene knows the arena by. 1 to 64 characters.</summary>
    public string Name { get; init; } = "main";

    /// <summary>How many blocks of which size the arena holds at its peak; each size once.</summary>
    public IReadOnlyList<BlockCount> Blocks { get; init; } = [];

    /// <summary>SuperSlabs (2 MiB each) that are prewarmed besides, for blocks of any size up to 2 MiB.</summary>
    public int SuperSlabs { get; init; }

    /// <summary>Threads that use the arena at the same time, 1 to 512. Default 1.</summary>
    public int Threads { get; init; } = 1;

    /// <summary>Whether slabs are promised to size classes at load, so that no class can take another's. Default true.</summary>
    public bool Carve { get; init; } = true;

    /// <summary>
    /// How many bytes of SuperSlabs the arena may hold, and what happens beyond. Its <see cref="ArenaBudget.OnOverflow"/> is not part of
    /// the JSON; <see cref="SceneLoadOptions.OnOverflow"/> may give one. Default: no limit.
    /// </summary>
    public ArenaBudget Budget { get; init; } = new();

    /// <summary>
    /// Prefaulted memory that stays in the reserve on account of this arena when the scene is unloaded, in bytes, instead of going back to
    /// the system. See <see cref="ScenePlan.RetainBytes"/>. Default 0.
    /// </summary>
    public nuint RetainBytes { get; init; }
}
