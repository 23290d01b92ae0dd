namespace Samples.LevelStreaming.World;

/// <summary>What lives in a level.</summary>
internal enum BodyKind
{
    /// <summary>Eats grass, goes where most of it is, and splits when it has eaten enough.</summary>
    Grazer,

    /// <summary>Eats grazers in its cell.</summary>
    Hunter,

    /// <summary>Lies there until it has become grass.</summary>
    Remains,
}
