// What the game is shown on.
using System.Numerics;
using SuperSlab.Scenes;

namespace Samples.Game.Showing;

/// <summary>What the player did since the last frame.</summary>
/// <param name="Aim">Where the mouse points, from -1 to 1 in both directions.</param>
internal readonly record struct PlayerInput(
    Vector2 Aim, bool Fires, bool TogglesPause, bool WantsNext, bool WantsRestart);

/// <summary>A frame to be shown.</summary>
/// <param name="line">How the level goes, in UTF-8.</param>
internal readonly ref struct FrameView(Camera camera, ReadOnlySpan<DrawList> lists, ReadOnlySpan<byte> line)
{
    public Camera Camera { get; } = camera;

    public ReadOnlySpan<DrawList> Lists { get; } = lists;

    public ReadOnlySpan<byte> Line { get; } = line;

    public required bool IsPaused { get; init; }

    /// <summary>How much of the next level is made, from 0 to 1.</summary>
    public required float Progress { get; init; }
}

/// <summary>A window, or nothing. The game's thread makes all calls.</summary>
internal interface IScreen : IDisposable
{
    bool IsOpen { get; }

    /// <summary>Width by height.</summary>
    float Aspect { get; }

    /// <summary>Between frames.</summary>
    PlayerInput TakeInput();

    /// <summary>A frame begins. Between frames.</summary>
    void BeginFrame(HotLoopGuard guard);

    /// <summary>In the frame; the driver's part is excluded from what the guard counts.</summary>
    void Draw(in FrameView view, HotLoopGuard guard);

    /// <summary>Between frames.</summary>
    /// <param name="frameTicks">How long the frame took.</param>
    /// <param name="frame">Its number among the frames that count, from 1; 0 if it does not count.</param>
    /// <param name="isLast">Whether no frame follows.</param>
    void Present(long frameTicks, int frame, bool isLast);
}

/// <summary>No window: the lists are made and thrown away.</summary>
internal sealed class NoScreen : IScreen
{
    public bool IsOpen => true;

    public float Aspect => 16f / 9;

    public PlayerInput TakeInput() => default;

    public void BeginFrame(HotLoopGuard guard)
    {
    }

    public void Draw(in FrameView view, HotLoopGuard guard)
    {
    }

    public void Present(long frameTicks, int frame, bool isLast)
    {
    }

    public void Dispose()
    {
    }
}
