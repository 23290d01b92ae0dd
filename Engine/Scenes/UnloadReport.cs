using System.Globalization;
using System.Text;
using Engine.Arenas;

namespace Engine.Scenes;

/// <summary>
/// What an unload did and found. Blocks that are still allocated go with their scene, which is no fault where a level is thrown away as a
/// whole; where a game means to free everything itself, they are its leaks. Immutable; any thread.
/// </summary>
/// <param name="Scene">The scene's name.</param>
/// <param name="HeldBytes">SuperSlab bytes that the scene's arenas held.</param>
/// <param name="Nanoseconds">How long the unload took.</param>
/// <param name="Leaks">The arenas in which blocks were still allocated.</param>
public sealed record UnloadReport(string Scene, nuint HeldBytes, long Nanoseconds, IReadOnlyList<ArenaLeaks> Leaks)
{
    /// <summary>Whether no block was left.</summary>
    public bool IsClean => Leaks.Count == 0;

    /// <summary>The report in lines: an arena, then its blocks, and where they were allocated as far as that is known.</summary>
    public override string ToString()
    {
        StringBuilder text = new();
        text.Append(CultureInfo.InvariantCulture, $"Scene '{Scene}' held {HeldBytes} bytes and was unloaded in {Nanoseconds / 1e6:F1} ms; ");
        text.Append(IsClean ? "nothing was left in it." : "left in it:");
        foreach (ArenaLeaks leaks in Leaks)
        {
            text.AppendLine().Append(CultureInfo.InvariantCulture, $"  arena '{leaks.Arena}': {leaks.Count} blocks, {leaks.Bytes} bytes");
            foreach (BlockCount block in leaks.Allocations.Count == 0 ? leaks.Blocks : [])
            {
                text.AppendLine().Append(CultureInfo.InvariantCulture, $"    {block.Count} of {block.Bytes} bytes");
            }

            foreach (LiveAllocation block in leaks.Allocations)
            {
                text.AppendLine().Append(CultureInfo.InvariantCulture, $"    {block.Count} of {block.Bytes} bytes, {block.Tag ?? "without a tag"}");
                text.Append(block.CallStack is null ? "" : Environment.NewLine + block.CallStack);
            }
        }

        return text.ToString();
    }
}
