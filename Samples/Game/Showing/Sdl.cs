// The game's window, keyboard and mouse by SDL 2.
using System.Numerics;
using System.Runtime.InteropServices;
using Samples.Common;
using SuperSlab.Interop;
using static Samples.Common.SdlFunctions;

namespace Samples.Game.Showing;

/// <summary>
/// A window with an OpenGL 3.3 context, which is current on the thread that made it; keyboard and mouse. SDL's own
/// memory is the allocator's, the driver's is not.
/// </summary>
internal sealed unsafe partial class Sdl : IDisposable
{
    /// <summary>What to do where there can be no window.</summary>
    public const string Otherwise = "Play without a window: --headless --unattended 1000.";

    private readonly nint _window;
    private readonly nint _context;
    private readonly nint[] _ownMemory = new nint[4];
    private Vector2 _aim;
    private bool _isFiring;

    /// <param name="allocator">What SDL's memory comes from; null is malloc.</param>
    /// <exception cref="RunFailedException">There is no SDL 2, no display or no OpenGL 3.3.</exception>
    public Sdl(string title, int width, int height, Func<NativeAllocator?> allocator)
    {
        (Width, Height) = (width, height);
        if (!NativeLibrary.TryLoad(Library, out nint library))
            throw new RunFailedException($"{Library} is not installed (Debian: libsdl2-2.0-0). {Otherwise}");

        fixed (nint* own = _ownMemory)
            GetMemory(own, own + 1, own + 2, own + 3);

        allocator()?.UseSdl2(library);
        Check(Init(Video) == 0);
        AskForOpenGL33();
        _window = CreateWindow(title, Centered, Centered, width, height, WithOpenGL);
        Check(_window != 0);
        _context = CreateContext(_window);
        Check(_context != 0);
        _ = SetSwapInterval(0);
    }

    /// <summary>Whether the user still wants the window.</summary>
    public bool IsOpen { get; private set; } = true;

    public int Width { get; }

    public int Height { get; }

    /// <summary>A function of OpenGL.</summary>
    public static nint FunctionOf(string name) => GetProcAddress(name);

    /// <summary>Takes what the player did. Between frames.</summary>
    /// <param name="togglesOverlay">Whether F1 was pressed.</param>
    public PlayerInput TakeInput(out bool togglesOverlay)
    {
        (togglesOverlay, bool pauses, bool next, bool restarts) = (false, false, false, false);
        Happened happened;
        while (PollEvent(&happened) != 0)
        {
            switch (happened.Kind)
            {
                case EventKind.Quit:
                    IsOpen = false;
                    break;
                case EventKind.KeyDown when happened.Repeat == 0:
                    togglesOverlay ^= happened.Key == Key.F1;
                    pauses ^= happened.Key == Key.Escape;
                    next |= happened.Key == Key.N;
                    restarts |= happened.Key == Key.R;
                    _isFiring |= happened.Key == Key.Space;
                    IsOpen &= happened.Key != Key.Q;
                    break;
                case EventKind.KeyUp:
                    _isFiring &= happened.Key != Key.Space;
                    break;
                case EventKind.MouseMoved:
                    _aim = new Vector2((2f * happened.X / Width) - 1, 1 - (2f * happened.Y / Height));
                    break;
                case EventKind.MouseDown or EventKind.MouseUp:
                    _isFiring = happened.Kind == EventKind.MouseDown;
                    break;
            }
        }

        return new PlayerInput(_aim, _isFiring, pauses, next, restarts);
    }

    /// <summary>Shows what OpenGL drew.</summary>
    public void Present() => SwapWindow(_window);

    /// <summary>
    /// Ends SDL. It keeps its error buffers for each thread until the process ends, so the arena must be reset after
    /// it; what SDL asks for later is malloc's.
    /// </summary>
    public void Dispose()
    {
        if (_context != 0)
            DeleteContext(_context);

        if (_window != 0)
            DestroyWindow(_window);

        Quit();
        _ = SetMemory(_ownMemory[0], _ownMemory[1], _ownMemory[2], _ownMemory[3]);
    }

    private void Check(bool isFine)
    {
        if (isFine)
            return;

        string message = Error;
        Dispose();
        throw new RunFailedException(
            $"SDL: {message}; a display and OpenGL 3.3 are needed (Debian: xvfb, libgl1-mesa-dri). {Otherwise}");
    }

    private enum EventKind : uint
    {
        Quit = 0x100,
        KeyDown = 0x300,
        KeyUp = 0x301,
        MouseMoved = 0x400,
        MouseDown = 0x401,
        MouseUp = 0x402,
    }

    /// <summary>Places on a keyboard.</summary>
    private enum Key
    {
        N = 17,
        Q = 20,
        R = 21,
        Escape = 41,
        Space = 44,
        F1 = 58,
    }

    /// <summary>SDL_Event, as far as it is looked at.</summary>
    [StructLayout(LayoutKind.Explicit, Size = EventBytes)]
    private struct Happened
    {
        [FieldOffset(0)]
        public EventKind Kind;

        [FieldOffset(13)]
        public byte Repeat;

        [FieldOffset(16)]
        public Key Key;

        [FieldOffset(20)]
        public int X;

        [FieldOffset(24)]
        public int Y;
    }

    [LibraryImport(Library, EntryPoint = "SDL_GetMemoryFunctions")]
    private static partial void GetMemory(nint* allocate, nint* clear, nint* resize, nint* free);

    [LibraryImport(Library, EntryPoint = "SDL_SetMemoryFunctions")]
    private static partial int SetMemory(nint allocate, nint clear, nint resize, nint free);
}
