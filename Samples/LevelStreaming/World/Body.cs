using System.Runtime.InteropServices;

namespace Samples.LevelStreaming.World;

/// <summary>What every animal has, whoever holds its memory.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct Body
{
    public BodyKind Kind;
    public int Cell;
    public float Energy;
    public int Age;

    /// <summary>The length of its genes in bytes: the second block that an animal has.</summary>
    public int GeneBytes;
    public uint Random;
}
