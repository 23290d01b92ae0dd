// The game in a window.
using System.Diagnostics;
using System.Globalization;
using Samples.Common;
using Samples.Game.Playing;
using Samples.Game.Showing.Vulkan;
using SuperSlab;
using SuperSlab.Interop;
using SuperSlab.Scenes;

namespace Samples.Game.Showing;

/// <summary>
/// A window with the world, the level's line, the progress of the next level, the pause menu and the overlay. What the
/// driver does is excluded from what the guard counts.
/// </summary>
internal sealed class GameWindow : IScreen
{
    /// <summary>The picture's size, in the units of its marks: pixels, until the player changes the window.</summary>
    public const int Width = 960;
    public const int Height = 540;

    /// <summary>The part of a frame that is the driver's.</summary>
    public const string DriverPart = "driver";

    private const uint White = 0xFFFFFFFF;
    private readonly GameOptions _options;
    private readonly GameLibraries _libraries;
    private readonly Sdl _sdl;
    private readonly IRenderer _renderer;
    private readonly LongLivedArena _arena;
    private readonly Panel _panel;
    private readonly Overlay _overlay;
    private bool _showsOverlay;
    private HotLoopCounts _lastFrame;
    private Picture? _last;
    private long _driverTicks;

    /// <exception cref="RunFailedException">There can be no window.</exception>
    public GameWindow(EngineMemory memory, GameLibraries libraries, GameOptions options)
    {
        (_options, _libraries, _showsOverlay) = (options, libraries, options.ShowsOverlay);
        try
        {
            _arena = memory.CreateLongLivedArena("screen");
            _sdl = new Sdl("SuperSlab", Width, Height, options.Graphics, () => Allocator("window", "sdl", 8));
            _renderer = options.Graphics == GraphicsApi.Vulkan
                ? new VulkanRenderer(_sdl, _arena, Allocator("vulkan", "vulkan", 16))
                : new OpenGLRenderer(_sdl);
            _panel = new Panel(_arena);
            _overlay = new Overlay(memory, _arena);
        }
        catch
        {
            _sdl?.Dispose();
            ForgetSdl();
            _arena?.Dispose();
            throw;
        }
    }

    public bool IsOpen => _sdl.IsOpen;

    public float Aspect => (float)Width / Height;

    /// <summary>What draws, for people.</summary>
    public string Renderer => $"{_options.Graphics} by {_renderer.Name}";

    /// <summary>What drawing the overlay took in each frame that had one, in microseconds.</summary>
    public long[] OverlayCost => _overlay.CostMicroseconds;

    public PlayerInput TakeInput()
    {
        PlayerInput input = _sdl.TakeInput(out bool togglesOverlay);
        _showsOverlay ^= togglesOverlay;
        return input;
    }

    public void BeginFrame(HotLoopGuard guard)
    {
        _lastFrame = guard.LastFrame;
        _overlay.AddCounts(_lastFrame);
        _renderer.BeginFrame();
    }

    public void Draw(in FrameView view, HotLoopGuard guard)
    {
        _panel.Clear();
        _panel.Fill(0, 0, Width, 30, 0xA0101010);
        _panel.Write(view.Line, 12, 8, White);
        _panel.Fill(Width - 172, 10, 160, 10, 0xFF404040);
        _panel.Fill(Width - 172, 10, 160 * view.Progress, 10, 0xFF60E060);
        if (view.IsPaused)
        {
            _panel.Fill(0, 0, Width, Height, 0x90000000);
            _panel.Write("PAUSED"u8, (Width / 2) - 36, 200, White);
            _panel.Write("ESC GOES ON   R AGAIN   N NEXT LEVEL   F1 MEMORY   Q QUITS"u8, 130, 240, White);
        }

        if (_showsOverlay)
        {
            using (guard.Part("overlay"))
                _overlay.Draw(_panel, _lastFrame);
        }

        long start = Stopwatch.GetTimestamp();
        using (guard.Exclude(DriverPart))
            _renderer.Draw(view, _panel.Marks);

        _driverTicks = Stopwatch.GetTimestamp() - start;
    }

    public void Present(long frameTicks, int frame, bool isLast)
    {
        if (_options.Records(frame))
            _renderer.Read()?.Save(PathOf(frame));

        if (isLast && _options.Screenshot is not null)
            _last = _renderer.Read();

        _overlay.AddFrame(frameTicks, _driverTicks);
        _renderer.Present();
    }

    /// <summary>Writes the last frame as PNG, where it was asked for and all frames were counted.</summary>
    public void SaveScreenshot()
    {
        if (_options.Screenshot is not null)
            _last?.Save(_options.Screenshot);
    }

    public void Dispose()
    {
        _overlay.Dispose();
        _renderer.Dispose();
        _sdl.Dispose();
        ForgetSdl();
        _arena.Dispose();
    }

    /// <summary>An allocator for a library of the window, null where its memory is malloc's.</summary>
    private NativeAllocator? Allocator(string arena, string tag, int megabytes) =>
        _libraries.Scene is null ? null : _libraries.Allocator(arena, tag, megabytes);

    private string PathOf(int frame) => Path.Combine(
        _options.Record!, string.Create(CultureInfo.InvariantCulture, $"frame-{frame:00000}.png"));

    /// <summary>SDL's error buffers are in its arena until the process ends.</summary>
    private void ForgetSdl() => _libraries.Scene?.GetArena("window").Reset();
}
