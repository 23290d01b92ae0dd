namespace Engine.Tests.Models;

/// <summary>Uses what has outlived its arena: it must be told, and nothing may be done, whatever lies there
/// now.</summary>
internal static unsafe class Stale
{
    /// <param name="handle">Of an arena that is disposed.</param>
    /// <param name="block">A live block of another arena.</param>
    public static void Refuses(ArenaHandle handle, void* block)
    {
        try
        {
            throw new AssertionException($"the handle of a disposed arena allocated 0x{(nint)handle.Allocate(64):x}");
        }
        catch (Exception told) when (IsClear(told))
        {
        }

        try
        {
            handle.Free(block);
            throw new AssertionException(
                $"the handle of a disposed arena freed 0x{(nint)block:x}, which is another arena's");
        }
        catch (Exception told) when (IsClear(told))
        {
        }
    }

    public static void Refuses(FrameLane lane)
    {
        try
        {
            throw new AssertionException($"the lane of a disposed frame arena allocated 0x{(nint)lane.Allocate(64):x}");
        }
        catch (Exception told) when (IsClear(told))
        {
        }
    }

    private static bool IsClear(Exception told) => told is ObjectDisposedException or EngineMemoryException;
}
