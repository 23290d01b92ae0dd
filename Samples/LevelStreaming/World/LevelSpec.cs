namespace Samples.LevelStreaming.World;

/// <summary>One level of the ring: how large it is and what lives there.</summary>
/// <param name="Name">Its name, and that of its plan's file.</param>
/// <param name="Width">Cells from west to east, in each of the two regions.</param>
/// <param name="Height">Cells from north to south.</param>
/// <param name="Limit">The most animals of a region.</param>
/// <param name="Grazers">Grazers of a region at the beginning.</param>
/// <param name="Hunters">Hunters of a region at the beginning.</param>
/// <param name="Growth">How fast grass grows.</param>
/// <param name="GeneBytes">The longest genes in bytes; they differ between animals.</param>
/// <param name="TerrainBytes">The terrain's size in bytes, one block.</param>
internal sealed record LevelSpec(
    string Name, int Width, int Height, int Limit, int Grazers, int Hunters, float Growth, int GeneBytes, int TerrainBytes)
{
    /// <summary>The ring, in the order in which it is walked.</summary>
    public static readonly LevelSpec[] Ring =
    [
        new("meadow", 48, 48, 3000, 1200, 60, 0.020f, 400, 4 << 20),
        new("forest", 64, 64, 4000, 1500, 120, 0.012f, 900, 8 << 20),
        new("desert", 96, 64, 1500, 300, 10, 0.003f, 3000, 2 << 20),
        new("jungle", 64, 64, 6000, 3000, 250, 0.030f, 700, 12 << 20),
        new("coast", 80, 40, 2500, 900, 40, 0.015f, 1500, 6 << 20),
        new("tundra", 56, 56, 2000, 600, 90, 0.006f, 5000, 3 << 20),
    ];

    /// <summary>The cells of a region.</summary>
    public int Cells => Width * Height;
}
