using SuperSlab;
using SuperSlab.Scenes;

namespace SceneNamespace;

/// <summary>
/// The scene of Plans/newscene.json, which lies beside the program where the project says
/// <c>&lt;None Update="Plans/*.json" CopyToOutputDirectory="PreserveNewest" /&gt;</c>.
/// <code>
/// using NewScene scene = new(memory);        // at level load: all page faults and system calls are here
/// </code>
/// </summary>
internal sealed class NewScene(EngineMemory memory) : IDisposable
{
    /// <summary>What the scene prewarms and what its frames are held to.</summary>
    public static ScenePlan Plan => ScenePlan.Load(Path.Combine(AppContext.BaseDirectory, "Plans", "newscene.json"));

    /// <summary>The loaded scene: its arenas are ready.</summary>
    public Scene Scene { get; } = Scene.Load(memory, Plan);

    /// <summary>What lived in the scene and is not freed is thrown away.</summary>
    public void Dispose() => Scene.Dispose();
}
