using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Engine.Tests.Samples;

/// <summary>A display of X that nobody sees, Xvfb, and what tests do to the windows on it.</summary>
internal sealed unsafe partial class VirtualDisplay : IDisposable
{
    private const string Library = "libX11.so.6";
    private readonly Process _server;

    private VirtualDisplay(Process server, string name) => (_server, Name) = (server, name);

    /// <summary>Value of the environment variable DISPLAY.</summary>
    public string Name { get; }

    /// <summary>Starts one. The test is skipped where that cannot be.</summary>
    public static VirtualDisplay Start()
    {
        ProcessStartInfo start = new("Xvfb", ["-displayfd", "1", "-screen", "0", "1280x1024x24"])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        try
        {
            Process server = Process.Start(start)!;
            server.ErrorDataReceived += (_, _) => { };
            server.BeginErrorReadLine();
            string? number = server.StandardOutput.ReadLine();
            if (number is null)
                Assert.Ignore("Xvfb does not start here.");

            return new VirtualDisplay(server, $":{number}");
        }
        catch (System.ComponentModel.Win32Exception)
        {
            Assert.Ignore("Xvfb is not installed (Debian: xvfb).");
            throw;
        }
    }

    /// <summary>Gives the one large window another size, as soon as there is one.</summary>
    /// <param name="until">Who makes it; when that ends, no more is waited for.</param>
    /// <returns>Whether there was one.</returns>
    public bool Resize(int width, int height, Task until)
    {
        // Without a handler an error, such as a window that has gone, ends the process.
        SetErrorHandler(&Ignore);
        nint display = OpenDisplay(Name);
        Assert.That(display, Is.Not.Zero, "the display is there");
        try
        {
            while (!until.IsCompleted)
            {
                nuint window = FindLarge(display);
                if (window != 0)
                {
                    _ = ResizeWindow(display, window, (uint)width, (uint)height);
                    _ = Sync(display, 0);
                    return true;
                }

                Thread.Sleep(10);
            }

            return false;
        }
        finally
        {
            _ = CloseDisplay(display);
        }
    }

    public void Dispose()
    {
        _server.Kill();
        _server.WaitForExit();
        _server.Dispose();
    }

    /// <summary>A window directly on the root that is larger than the libraries' own of a pixel; 0 if there is
    /// none.</summary>
    private static nuint FindLarge(nint display)
    {
        const uint Least = 100;
        nuint root, parent;
        nuint* children = null;
        uint count = 0;
        if (QueryTree(display, DefaultRootWindow(display), &root, &parent, &children, &count) == 0)
            return 0;

        nuint found = 0;
        for (uint index = 0; index < count && found == 0; index++)
        {
            int x, y;
            uint width, height, border, depth;
            bool isThere = GetGeometry(
                display, children[index], &root, &x, &y, &width, &height, &border, &depth) != 0;
            found = isThere && width > Least && height > Least ? children[index] : 0;
        }

        if (children != null)
            _ = Free(children);

        return found;
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(System.Runtime.CompilerServices.CallConvCdecl)])]
    private static int Ignore(nint display, nint error) => 0;

    [LibraryImport(Library, EntryPoint = "XSetErrorHandler")]
    private static partial nint SetErrorHandler(delegate* unmanaged[Cdecl]<nint, nint, int> handler);

    [LibraryImport(Library, EntryPoint = "XOpenDisplay", StringMarshalling = StringMarshalling.Utf8)]
    private static partial nint OpenDisplay(string name);

    [LibraryImport(Library, EntryPoint = "XCloseDisplay")]
    private static partial int CloseDisplay(nint display);

    [LibraryImport(Library, EntryPoint = "XDefaultRootWindow")]
    private static partial nuint DefaultRootWindow(nint display);

    [LibraryImport(Library, EntryPoint = "XQueryTree")]
    private static partial int QueryTree(
        nint display, nuint window, nuint* root, nuint* parent, nuint** children, uint* count);

    [LibraryImport(Library, EntryPoint = "XGetGeometry")]
    private static partial int GetGeometry(
        nint display, nuint window, nuint* root, int* x, int* y, uint* width, uint* height, uint* border, uint* depth);

    [LibraryImport(Library, EntryPoint = "XResizeWindow")]
    private static partial int ResizeWindow(nint display, nuint window, uint width, uint height);

    [LibraryImport(Library, EntryPoint = "XSync")]
    private static partial int Sync(nint display, int discard);

    [LibraryImport(Library, EntryPoint = "XFree")]
    private static partial int Free(void* memory);
}
