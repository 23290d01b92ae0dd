using SuperSlab;
using SuperSlab.Scenes;

namespace SceneNamespace;

/// <summary>
/// The scene of newscene.json, which lies beside the program:
/// <c>&lt;None Update="newscene.json" CopyToOutputDirectory="PreserveNewest" /&gt;</c>.
/// </summary>
internal sealed class NewScene(EngineMemory memory) : IDisposable
{
    /// <summary>What the scene prewarms and what its frames are held to.</summary>
    public static ScenePlan Plan => ScenePlan.Load(Path.Combine(AppContext.BaseDirectory, "newscene.json"));

    /// <summary>The loaded scene: its arenas are ready.</summary>
    public Scene Scene { get; } = Scene.Load(memory, Plan);

    /// <summary>What lived in the scene and is not freed is thrown away.</summary>
    public void Dispose() => Scene.Dispose();
}
