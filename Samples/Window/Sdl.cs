// A window with OpenGL or Vulkan by SDL 2.
using System.Runtime.InteropServices;
using Samples.Common;
using Silk.NET.Vulkan;
using static Samples.Common.SdlFunctions;

namespace Samples.Window;

/// <summary>Whose functions draw.</summary>
internal enum GraphicsApi
{
    OpenGL,
    Vulkan,
}

/// <summary>
/// A window for Vulkan, or one with an OpenGL 3.3 context, which is current on the thread that made it.
/// </summary>
internal sealed unsafe partial class SdlWindow : IDisposable
{
    private const string VulkanLibrary = "libvulkan.so.1";
    private const uint WithVulkan = 0x10000000;
    private const uint QuitEvent = 0x100;

    private readonly nint _window;
    private readonly nint _context;

    /// <exception cref="RunFailedException">There is no SDL 2, no display, no OpenGL 3.3 or no Vulkan.</exception>
    public SdlWindow(string title, int width, int height, GraphicsApi api)
    {
        Size = new Extent2D((uint)width, (uint)height);
        try
        {
            Check(Init(Video) == 0);
        }
        catch (DllNotFoundException missing)
        {
            throw new RunFailedException($"{Library} is not installed (Debian: libsdl2-2.0-0).", missing);
        }

        if (api == GraphicsApi.Vulkan)
        {
            _window = CreateWindow(title, Centered, Centered, width, height, WithVulkan);
            Check(_window != 0);
            return;
        }

        AskForOpenGL33();
        _window = CreateWindow(title, Centered, Centered, width, height, WithOpenGL);
        Check(_window != 0);
        _context = CreateContext(_window);
        Check(_context != 0);
        _ = SetSwapInterval(0);
    }

    /// <summary>Whether the user still wants the window.</summary>
    public bool IsOpen { get; private set; } = true;

    /// <summary>In pixels.</summary>
    public Extent2D Size { get; }

    /// <summary>A function of OpenGL.</summary>
    public static nint FunctionOf(string name) => GetProcAddress(name);

    /// <summary>A function of Vulkan, 0 if there is none.</summary>
    /// <param name="instance">0 for those that need no instance.</param>
    /// <param name="name">The whole name, as "vkCreateInstance".</param>
    public static nint VulkanFunctionOf(nint instance, string name) => GetVulkanFunction(instance, name);

    /// <summary>Gets the names of the instance's extensions that the window needs.</summary>
    /// <returns>How many there are.</returns>
    public uint VulkanExtensions(byte** names, uint capacity)
    {
        Check(GetInstanceExtensions(_window, &capacity, names) != 0);
        return capacity;
    }

    /// <summary>Makes what a Vulkan instance presents to.</summary>
    public ulong NewVulkanSurface(nint instance)
    {
        ulong surface;
        Check(CreateSurface(_window, instance, &surface) != 0);
        return surface;
    }

    /// <summary>Takes the window's events.</summary>
    public void TakeEvents()
    {
        uint* happened = stackalloc uint[EventBytes / sizeof(uint)];
        while (PollEvent(happened) != 0)
            IsOpen &= happened[0] != QuitEvent;
    }

    /// <summary>Shows what OpenGL drew.</summary>
    public void Present() => SwapWindow(_window);

    public void Dispose()
    {
        if (_context != 0)
            DeleteContext(_context);

        DestroyWindow(_window);
        Quit();
    }

    private static void Check(bool isFine)
    {
        if (!isFine)
            throw new RunFailedException($"SDL: {Error}.");
    }

    [LibraryImport(Library, EntryPoint = "SDL_Vulkan_GetInstanceExtensions")]
    private static partial int GetInstanceExtensions(nint window, uint* count, byte** names);

    [LibraryImport(Library, EntryPoint = "SDL_Vulkan_CreateSurface")]
    private static partial int CreateSurface(nint window, nint instance, ulong* surface);

    [LibraryImport(VulkanLibrary, EntryPoint = "vkGetInstanceProcAddr", StringMarshalling = StringMarshalling.Utf8)]
    private static partial nint GetVulkanFunction(nint instance, string name);
}
