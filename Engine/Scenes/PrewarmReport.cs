namespace Engine.Scenes;

/// <summary>What a prewarm did.</summary>
/// <param name="Bytes">SuperSlab bytes that the scene's arenas hold, all resident.</param>
/// <param name="Nanoseconds">How long it took.</param>
/// <param name="OsCalls">Calls to the operating system's memory functions that it took.</param>
/// <param name="Prefault">How the pages came: the policies tried, with reasons.</param>
public sealed record PrewarmReport(nuint Bytes, long Nanoseconds, long OsCalls, string Prefault)
{
    /// <summary>Bytes made ready in a second.</summary>
    public double BytesPerSecond => Nanoseconds == 0 ? 0 : Bytes * 1e9 / Nanoseconds;
}
