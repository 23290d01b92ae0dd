// The game's window, keyboard and mouse by SDL 2.
using System.Numerics;
using System.Runtime.InteropServices;
using System.Text;
using Samples.Common;
using SuperSlab.Interop;
using static Samples.Common.SdlFunctions;

namespace Samples.Game.Showing;

/// <summary>
/// A window for Vulkan, or one with an OpenGL 3.3 context, which is current on the thread that made it; keyboard and
/// mouse. SDL's own memory is the allocator's, the driver's is not.
/// </summary>
internal sealed unsafe partial class Sdl : IDisposable
{
    /// <summary>What to do where there can be no window.</summary>
    public const string Otherwise = "Play without a window: --headless --unattended 1000.";

    private const uint WithVulkan = 0x10000000;
    private const uint Resizable = 0x20;
    private const byte SizeChanged = 6;
    private readonly nint _window;
    private readonly nint _context;
    private readonly nint[] _ownMemory = new nint[4];
    private readonly string _needed;
    private Vector2 _aim;
    private bool _isFiring;

    /// <param name="allocator">What SDL's memory comes from; null is malloc.</param>
    /// <exception cref="RunFailedException">There is no SDL 2, no display, no OpenGL 3.3 or no Vulkan.</exception>
    public Sdl(string title, int width, int height, GraphicsApi api, Func<NativeAllocator?> allocator)
    {
        (Width, Height) = (width, height);
        _needed = api == GraphicsApi.Vulkan
            ? "Vulkan are needed (Debian: xvfb, libvulkan1, mesa-vulkan-drivers)"
            : "OpenGL 3.3 are needed (Debian: xvfb, libgl1-mesa-dri)";
        if (!NativeLibrary.TryLoad(Library, out nint library))
            throw new RunFailedException($"{Library} is not installed (Debian: libsdl2-2.0-0). {Otherwise}");

        fixed (nint* own = _ownMemory)
            GetMemory(own, own + 1, own + 2, own + 3);

        allocator()?.UseSdl2(library);
        Check(Init(Video) == 0);
        if (api == GraphicsApi.Vulkan)
        {
            _window = CreateWindow(title, Centered, Centered, width, height, WithVulkan | Resizable);
            Check(_window != 0);
            return;
        }

        AskForOpenGL33();
        _window = CreateWindow(title, Centered, Centered, width, height, WithOpenGL | Resizable);
        Check(_window != 0);
        _context = CreateContext(_window);
        Check(_context != 0);
        _ = SetSwapInterval(0);
    }

    /// <summary>Whether the user still wants the window.</summary>
    public bool IsOpen { get; private set; } = true;

    /// <summary>In pixels, as the last <see cref="TakeInput"/> found it.</summary>
    public int Width { get; private set; }

    /// <inheritdoc cref="Width"/>
    public int Height { get; private set; }

    /// <summary>A function of OpenGL.</summary>
    public static nint FunctionOf(string name) => GetProcAddress(name);

    /// <summary>A function of Vulkan, 0 if there is none. Until the window is gone.</summary>
    /// <param name="instance">0 for those that need no instance.</param>
    /// <param name="name">The whole name, as "vkCreateInstance".</param>
    public static nint VulkanFunctionOf(nint instance, string name)
    {
        var find = (delegate* unmanaged<nint, byte*, nint>)GetVulkanLookup();
        fixed (byte* utf8 = Encoding.UTF8.GetBytes(name + '\0'))
            return find(instance, utf8);
    }

    /// <summary>Gets the names of the instance's extensions that the window needs.</summary>
    /// <returns>How many there are.</returns>
    public uint VulkanExtensions(byte** names, uint capacity) =>
        GetVulkanExtensions(_window, &capacity, names) != 0 ? capacity : throw Failure();

    /// <summary>Makes what a Vulkan instance presents to; Vulkan's own malloc has its memory.</summary>
    public ulong NewVulkanSurface(nint instance)
    {
        ulong surface;
        return CreateVulkanSurface(_window, instance, &surface) != 0 ? surface : throw Failure();
    }

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
                case EventKind.Window when happened.WindowChange == SizeChanged:
                    (Width, Height) = (happened.Data, happened.X);
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
                    _aim = PictureArea.In(Width, Height).Place(happened.X, happened.Y);
                    break;
                case EventKind.MouseDown or EventKind.MouseUp:
                    _isFiring = happened.Kind == EventKind.MouseDown;
                    break;
            }
        }

        return new PlayerInput(_aim, _isFiring, pauses, next, restarts);
    }

    /// <summary>Shows what OpenGL drew.</summary>
    public void SwapBuffers() => SwapWindow(_window);

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

        RunFailedException failure = Failure();
        Dispose();
        throw failure;
    }

    private RunFailedException Failure() => new($"SDL: {Error}; a display and {_needed}. {Otherwise}");

    private enum EventKind : uint
    {
        Quit = 0x100,
        Window = 0x200,
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

        [FieldOffset(12)]
        public byte WindowChange;

        [FieldOffset(13)]
        public byte Repeat;

        [FieldOffset(16)]
        public Key Key;

        [FieldOffset(16)]
        public int Data;

        [FieldOffset(20)]
        public int X;

        [FieldOffset(24)]
        public int Y;
    }

    [LibraryImport(Library, EntryPoint = "SDL_GetMemoryFunctions")]
    private static partial void GetMemory(nint* allocate, nint* clear, nint* resize, nint* free);

    [LibraryImport(Library, EntryPoint = "SDL_SetMemoryFunctions")]
    private static partial int SetMemory(nint allocate, nint clear, nint resize, nint free);

    [LibraryImport(Library, EntryPoint = "SDL_Vulkan_GetVkGetInstanceProcAddr")]
    private static partial nint GetVulkanLookup();

    [LibraryImport(Library, EntryPoint = "SDL_Vulkan_GetInstanceExtensions")]
    private static partial int GetVulkanExtensions(nint window, uint* count, byte** names);

    [LibraryImport(Library, EntryPoint = "SDL_Vulkan_CreateSurface")]
    private static partial int CreateVulkanSurface(nint window, nint instance, ulong* surface);
}
