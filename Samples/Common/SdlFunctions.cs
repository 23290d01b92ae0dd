// The functions of SDL 2 that the samples' windows share. Its library must be installed: libSDL2.
using System.Runtime.InteropServices;

namespace Samples.Common;

/// <summary>
/// SDL 2 by its own names without the prefix. A window and its OpenGL context belong to the thread that made them.
/// </summary>
internal static unsafe partial class SdlFunctions
{
    public const string Library = "libSDL2-2.0.so.0";
    public const uint Video = 0x20;
    public const uint WithOpenGL = 2;
    public const int Centered = 0x2FFF0000;

    /// <summary>The size of SDL_Event.</summary>
    public const int EventBytes = 56;

    private const int MajorVersion = 17;
    private const int MinorVersion = 18;
    private const int ProfileMask = 21;
    private const int CoreProfile = 1;

    /// <summary>What SDL says of its last failure.</summary>
    public static string Error => Marshal.PtrToStringUTF8(GetError()) ?? "";

    /// <summary>Has the next context be one of OpenGL 3.3.</summary>
    public static void AskForOpenGL33()
    {
        _ = SetAttribute(MajorVersion, 3);
        _ = SetAttribute(MinorVersion, 3);
        _ = SetAttribute(ProfileMask, CoreProfile);
    }

    [LibraryImport(Library, EntryPoint = "SDL_Init")]
    public static partial int Init(uint systems);

    [LibraryImport(Library, EntryPoint = "SDL_Quit")]
    public static partial void Quit();

    [LibraryImport(Library, EntryPoint = "SDL_CreateWindow", StringMarshalling = StringMarshalling.Utf8)]
    public static partial nint CreateWindow(string title, int x, int y, int width, int height, uint flags);

    [LibraryImport(Library, EntryPoint = "SDL_DestroyWindow")]
    public static partial void DestroyWindow(nint window);

    [LibraryImport(Library, EntryPoint = "SDL_GL_CreateContext")]
    public static partial nint CreateContext(nint window);

    [LibraryImport(Library, EntryPoint = "SDL_GL_DeleteContext")]
    public static partial void DeleteContext(nint context);

    [LibraryImport(Library, EntryPoint = "SDL_GL_SetSwapInterval")]
    public static partial int SetSwapInterval(int interval);

    [LibraryImport(Library, EntryPoint = "SDL_GL_SwapWindow")]
    public static partial void SwapWindow(nint window);

    [LibraryImport(Library, EntryPoint = "SDL_GL_GetProcAddress", StringMarshalling = StringMarshalling.Utf8)]
    public static partial nint GetProcAddress(string name);

    /// <param name="happened">Receives an event of <see cref="EventBytes"/>.</param>
    [LibraryImport(Library, EntryPoint = "SDL_PollEvent")]
    public static partial int PollEvent(void* happened);

    [LibraryImport(Library, EntryPoint = "SDL_GetError")]
    private static partial nint GetError();

    [LibraryImport(Library, EntryPoint = "SDL_GL_SetAttribute")]
    private static partial int SetAttribute(int attribute, int value);
}
