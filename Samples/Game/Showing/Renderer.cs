// What draws a frame in the game's window: OpenGL or Vulkan.
using System.Numerics;

namespace Samples.Game.Showing;

/// <summary>Whose functions draw.</summary>
internal enum GraphicsApi
{
    OpenGL,
    Vulkan,
}

/// <summary>
/// Draws the world's boxes and the flat marks over them, each in one call of the driver. The thread that made it makes
/// all calls.
/// </summary>
internal interface IRenderer : IDisposable
{
    /// <summary>The most boxes of a frame; what is beyond is left out.</summary>
    const int MostSprites = 96 * 1024;

    /// <summary>Red, green and blue behind the world.</summary>
    static Vector3 Sky => new(0.35f, 0.5f, 0.65f);

    /// <summary>Which device draws, as its driver calls it.</summary>
    string Name { get; }

    /// <summary>Gets an image ready that has the window's size. Between frames.</summary>
    void BeginFrame();

    /// <summary>Gives a frame to the driver. In the hot loop.</summary>
    void Draw(in FrameView view, ReadOnlySpan<Mark> marks);

    /// <summary>What was drawn and is not shown yet; null where the window has no pixels. Between frames.</summary>
    Picture? Read();

    /// <summary>Shows what was drawn. Between frames.</summary>
    void Present();
}

/// <summary>
/// Where the picture is in a window, in pixels: in the middle, as large as fits without another shape.
/// </summary>
internal readonly record struct PictureArea(int X, int Y, int Width, int Height)
{
    public static PictureArea In(int width, int height)
    {
        int fitting = Math.Min(width, height * GameWindow.Width / GameWindow.Height);
        int high = fitting * GameWindow.Height / GameWindow.Width;
        return new PictureArea((width - fitting) / 2, (height - high) / 2, fitting, high);
    }

    /// <summary>A pixel's place from -1 to 1 in both directions, up and right.</summary>
    public Vector2 Place(int x, int y) => Width == 0 || Height == 0
        ? default
        : new Vector2((2f * (x - X) / Width) - 1, 1 - (2f * (y - Y) / Height));
}
