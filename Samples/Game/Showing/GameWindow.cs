// The game in a window: boxes and flat marks, each in one call of OpenGL.
using System.Diagnostics;
using System.Numerics;
using System.Runtime.InteropServices;
using Samples.Common;
using Samples.Game.Playing;
using Silk.NET.OpenGL;
using SuperSlab;
using SuperSlab.Scenes;

namespace Samples.Game.Showing;

/// <summary>
/// A window with the world, the level's line, the progress of the next level, the pause menu and the overlay. What the
/// driver does is excluded from what the guard counts.
/// </summary>
internal sealed unsafe class GameWindow : IScreen
{
    private const int Width = 960;
    private const int Height = 540;
    private const int MostSprites = 96 * 1024;
    private const uint White = 0xFFFFFFFF;

    private const string BoxSource = """
        #version 330 core
        layout(location = 0) in vec3 position;
        layout(location = 1) in vec4 rotation;
        layout(location = 2) in vec3 extent;
        layout(location = 3) in vec4 tint;
        uniform mat4 view;
        uniform vec3 eye;
        out vec4 color;
        const vec2 corners[6] = vec2[6](vec2(-1, -1), vec2(1, -1), vec2(1, 1), vec2(-1, -1), vec2(1, 1), vec2(-1, 1));
        vec3 turned(vec3 v) { return v + 2.0 * cross(rotation.xyz, cross(rotation.xyz, v) + rotation.w * v); }
        void main()
        {
            // Of each pair of sides the one that faces the eye.
            int axis = gl_VertexID / 6;
            vec2 corner = corners[gl_VertexID % 6];
            vec3 normal = turned(axis == 0 ? vec3(1, 0, 0) : axis == 1 ? vec3(0, 1, 0) : vec3(0, 0, 1));
            float side = dot(eye - position, normal) < 0.0 ? -1.0 : 1.0;
            vec3 local = axis == 0 ? vec3(side, corner)
                : axis == 1 ? vec3(corner.x, side, corner.y)
                : vec3(corner, side);
            vec3 place = position + turned(local * extent);
            gl_Position = view * vec4(place, 1.0);
            float light = 0.4 + 0.6 * max(dot(normal * side, normalize(vec3(0.4, 1.0, 0.6))), 0.0);
            color = vec4(tint.rgb * light, 1.0);
        }
        """;

    private const string ColorSource = """
        #version 330 core
        in vec4 color;
        out vec4 result;
        void main() { result = color; }
        """;

    private const string MarkSource = """
        #version 330 core
        layout(location = 0) in vec4 place;
        layout(location = 1) in vec4 tint;
        layout(location = 2) in uvec2 bits;
        uniform vec2 size;
        out vec4 color;
        out vec2 inside;
        flat out uvec2 dots;
        void main()
        {
            inside = vec2(gl_VertexID & 1, gl_VertexID >> 1);
            vec2 pixel = (place.xy + inside * place.zw) / size * 2.0 - 1.0;
            gl_Position = vec4(pixel.x, -pixel.y, 0.0, 1.0);
            color = tint;
            dots = bits;
        }
        """;

    private const string DotSource = """
        #version 330 core
        in vec4 color;
        in vec2 inside;
        flat in uvec2 dots;
        out vec4 result;
        void main()
        {
            int dot = min(int(inside.x * 5.0), 4) * 7 + min(int(inside.y * 7.0), 6);
            uint word = dot < 32 ? dots.x >> dot : dots.y >> (dot - 32);
            if ((word & 1u) == 0u)
                discard;
            result = color;
        }
        """;

    private readonly LongLivedArena _arena;
    private readonly GameLibraries _libraries;
    private readonly Sdl _sdl;
    private readonly GL _gl;
    private readonly Panel _panel;
    private readonly Overlay _overlay;
    private readonly uint _boxes;
    private readonly uint _marks;
    private readonly uint _boxArray;
    private readonly uint _markArray;
    private readonly uint _boxBuffer;
    private readonly uint _markBuffer;
    private readonly int _view;
    private readonly int _eye;
    private bool _showsOverlay;
    private HotLoopCounts _lastFrame;
    private Picture? _last;
    private long _driverTicks;

    /// <exception cref="RunFailedException">There can be no window.</exception>
    public GameWindow(EngineMemory memory, GameLibraries libraries, bool showsOverlay)
    {
        (_libraries, _showsOverlay) = (libraries, showsOverlay);
        try
        {
            _sdl = new Sdl(
                "SuperSlab", Width, Height,
                () => libraries.Scene is null ? null : libraries.Allocator("window", "sdl", 8));
        }
        catch
        {
            ForgetSdl();
            throw;
        }

        _arena = memory.CreateLongLivedArena("screen");
        _panel = new Panel(_arena);
        _overlay = new Overlay(memory, _arena);
        var gl = GL.GetApi(Sdl.FunctionOf);
        _gl = gl;
        _boxes = Program(BoxSource, ColorSource);
        _view = gl.GetUniformLocation(_boxes, "view");
        _eye = gl.GetUniformLocation(_boxes, "eye");
        (_boxArray, _boxBuffer) = Instances<Sprite>(MostSprites);
        Attribute<Sprite>(0, 3, 0);
        Attribute<Sprite>(1, 4, 12);
        Attribute<Sprite>(2, 3, 28);
        Color<Sprite>(3, 40);
        _marks = Program(MarkSource, DotSource);
        gl.UseProgram(_marks);
        gl.Uniform2(gl.GetUniformLocation(_marks, "size"), (float)Width, Height);
        (_markArray, _markBuffer) = Instances<Mark>(Panel.Capacity);
        Attribute<Mark>(0, 4, 0);
        Color<Mark>(1, 16);
        gl.VertexAttribIPointer(2, 2, VertexAttribIType.UnsignedInt, (uint)sizeof(Mark), (void*)20);
        Enable(2);
    }

    public bool IsOpen => _sdl.IsOpen;

    public float Aspect => (float)Width / Height;

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
        using (guard.Exclude("driver"))
            Submit(view);

        _driverTicks = Stopwatch.GetTimestamp() - start;
    }

    public void Present(long frameTicks, bool isLast)
    {
        if (isLast)
            _last = Picture();

        _overlay.AddFrame(frameTicks, _driverTicks);
        _sdl.Present();
    }

    /// <summary>Writes the last frame as PNG, where all were counted.</summary>
    public void Screenshot(string path) => _last?.Save(path);

    public void Dispose()
    {
        _overlay.Dispose();
        _gl.DeleteProgram(_boxes);
        _gl.DeleteProgram(_marks);
        _gl.DeleteBuffer(_boxBuffer);
        _gl.DeleteBuffer(_markBuffer);
        _gl.DeleteVertexArray(_boxArray);
        _gl.DeleteVertexArray(_markArray);
        _gl.Dispose();
        _sdl.Dispose();
        ForgetSdl();
        _arena.Dispose();
    }

    /// <summary>What was drawn and is not shown yet.</summary>
    private Picture Picture()
    {
        Picture picture = new(Width, Height);
        uint[] pixels = new uint[Width * Height];
        _gl.ReadBuffer(ReadBufferMode.Back);
        fixed (uint* first = pixels)
            _gl.ReadPixels(0, 0, Width, Height, PixelFormat.Rgba, PixelType.UnsignedByte, first);

        for (int y = 0; y < Height; y++)
            pixels.AsSpan((Height - 1 - y) * Width, Width).CopyTo(picture.Row(y));

        return picture;
    }

    /// <summary>SDL's error buffers are in its arena until the process ends.</summary>
    private void ForgetSdl() => _libraries.Scene?.GetArena("window").Reset();

    private void Submit(in FrameView view)
    {
        GL gl = _gl;
        gl.ClearColor(0.35f, 0.5f, 0.65f, 1);
        gl.Clear(ClearBufferMask.ColorBufferBit | ClearBufferMask.DepthBufferBit);
        gl.Enable(EnableCap.DepthTest);
        gl.Disable(EnableCap.Blend);
        gl.UseProgram(_boxes);
        Matrix4x4 matrix = view.Camera.ViewProjection;
        gl.UniformMatrix4(_view, 1, false, (float*)&matrix);
        gl.Uniform3(_eye, view.Camera.Eye.X, view.Camera.Eye.Y, view.Camera.Eye.Z);
        gl.BindVertexArray(_boxArray);
        int count = 0;
        gl.BindBuffer(BufferTargetARB.ArrayBuffer, _boxBuffer);
        foreach (DrawList list in view.Lists)
            count += Upload(list.Span[..Math.Min(list.Count, MostSprites - count)], count);

        gl.DrawArraysInstanced(PrimitiveType.Triangles, 0, 18, (uint)count);

        gl.Disable(EnableCap.DepthTest);
        gl.Enable(EnableCap.Blend);
        gl.BlendFunc(BlendingFactor.SrcAlpha, BlendingFactor.OneMinusSrcAlpha);
        gl.UseProgram(_marks);
        gl.BindVertexArray(_markArray);
        gl.BindBuffer(BufferTargetARB.ArrayBuffer, _markBuffer);
        count = Upload(_panel.Marks, 0);
        gl.DrawArraysInstanced(PrimitiveType.TriangleStrip, 0, 4, (uint)count);
    }

    private int Upload<T>(ReadOnlySpan<T> items, int at)
        where T : unmanaged
    {
        fixed (T* first = items)
        {
            if (first != null)
            {
                _gl.BufferSubData(
                    BufferTargetARB.ArrayBuffer, at * sizeof(T), (nuint)(items.Length * sizeof(T)), first);
            }
        }

        return items.Length;
    }

    private uint Program(string vertex, string fragment)
    {
        uint program = _gl.CreateProgram();
        foreach ((ShaderType type, string source) in new[]
            { (ShaderType.VertexShader, vertex), (ShaderType.FragmentShader, fragment) })
        {
            uint shader = _gl.CreateShader(type);
            _gl.ShaderSource(shader, source);
            _gl.CompileShader(shader);
            _gl.AttachShader(program, shader);
            if (_gl.GetShader(shader, ShaderParameterName.CompileStatus) == 0)
                throw new RunFailedException($"OpenGL: {_gl.GetShaderInfoLog(shader)}");
        }

        _gl.LinkProgram(program);
        return program;
    }

    private (uint Array, uint Buffer) Instances<T>(int capacity)
        where T : unmanaged
    {
        uint array = _gl.GenVertexArray();
        uint buffer = _gl.GenBuffer();
        _gl.BindVertexArray(array);
        _gl.BindBuffer(BufferTargetARB.ArrayBuffer, buffer);
        _gl.BufferData(
            BufferTargetARB.ArrayBuffer, (nuint)(capacity * Marshal.SizeOf<T>()), null, BufferUsageARB.StreamDraw);
        return (array, buffer);
    }

    private void Attribute<T>(uint index, int count, int offset)
        where T : unmanaged
    {
        _gl.VertexAttribPointer(
            index, count, VertexAttribPointerType.Float, false, (uint)sizeof(T), (void*)offset);
        Enable(index);
    }

    private void Color<T>(uint index, int offset)
        where T : unmanaged
    {
        _gl.VertexAttribPointer(
            index, 4, VertexAttribPointerType.UnsignedByte, true, (uint)sizeof(T), (void*)offset);
        Enable(index);
    }

    private void Enable(uint index)
    {
        _gl.EnableVertexAttribArray(index);
        _gl.VertexAttribDivisor(index, 1);
    }
}
