// The game's frames by OpenGL 3.3.
using System.Numerics;
using Samples.Common;
using Samples.Game.Playing;
using Silk.NET.OpenGL;

namespace Samples.Game.Showing;

/// <inheritdoc cref="IRenderer"/>
internal sealed unsafe class OpenGLRenderer : IRenderer
{
    private readonly Sdl _sdl;
    private readonly GL _gl;
    private readonly uint _boxes;
    private readonly uint _marks;
    private readonly uint _boxArray;
    private readonly uint _markArray;
    private readonly uint _boxBuffer;
    private readonly uint _markBuffer;
    private readonly int _view;
    private readonly int _eye;

    /// <param name="sdl">A window with a context of OpenGL; it must outlive this.</param>
    /// <exception cref="RunFailedException">The driver refused a shader.</exception>
    public OpenGLRenderer(Sdl sdl)
    {
        var gl = GL.GetApi(Sdl.FunctionOf);
        (_sdl, _gl, Name) = (sdl, gl, gl.GetStringS(StringName.Renderer));
        _boxes = Program("box");
        _view = gl.GetUniformLocation(_boxes, "view");
        _eye = gl.GetUniformLocation(_boxes, "eye");
        (_boxArray, _boxBuffer) = Instances<Sprite>(IRenderer.MostSprites);
        Attribute<Sprite>(0, 3, 0);
        Attribute<Sprite>(1, 4, 12);
        Attribute<Sprite>(2, 3, 28);
        Color<Sprite>(3, 40);
        _marks = Program("mark");
        gl.UseProgram(_marks);
        gl.Uniform2(gl.GetUniformLocation(_marks, "size"), (float)GameWindow.Width, GameWindow.Height);
        (_markArray, _markBuffer) = Instances<Mark>(Panel.Capacity);
        Attribute<Mark>(0, 4, 0);
        Color<Mark>(1, 16);
        gl.VertexAttribIPointer(2, 2, VertexAttribIType.UnsignedInt, (uint)sizeof(Mark), (void*)20);
        Enable(2);
    }

    public string Name { get; }

    public void BeginFrame()
    {
    }

    public void Draw(in FrameView view, ReadOnlySpan<Mark> marks)
    {
        GL gl = _gl;
        var area = PictureArea.In(_sdl.Width, _sdl.Height);
        gl.Viewport(area.X, area.Y, (uint)area.Width, (uint)area.Height);
        gl.ClearColor(IRenderer.Sky.X, IRenderer.Sky.Y, IRenderer.Sky.Z, 1);
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
            count += Upload(list.Span[..Math.Min(list.Count, IRenderer.MostSprites - count)], count);

        gl.DrawArraysInstanced(PrimitiveType.Triangles, 0, 18, (uint)count);

        gl.Disable(EnableCap.DepthTest);
        gl.Enable(EnableCap.Blend);
        gl.BlendFunc(BlendingFactor.SrcAlpha, BlendingFactor.OneMinusSrcAlpha);
        gl.UseProgram(_marks);
        gl.BindVertexArray(_markArray);
        gl.BindBuffer(BufferTargetARB.ArrayBuffer, _markBuffer);
        count = Upload(marks, 0);
        gl.DrawArraysInstanced(PrimitiveType.TriangleStrip, 0, 4, (uint)count);
    }

    public Picture? Read()
    {
        (int width, int height) = (_sdl.Width, _sdl.Height);
        if (width == 0 || height == 0)
            return null;

        Picture picture = new(width, height);
        uint[] pixels = new uint[width * height];
        _gl.ReadBuffer(ReadBufferMode.Back);
        fixed (uint* first = pixels)
            _gl.ReadPixels(0, 0, (uint)width, (uint)height, PixelFormat.Rgba, PixelType.UnsignedByte, first);

        for (int y = 0; y < height; y++)
            pixels.AsSpan((height - 1 - y) * width, width).CopyTo(picture.Row(y));

        return picture;
    }

    public void Present() => _sdl.SwapBuffers();

    public void Dispose()
    {
        _gl.DeleteProgram(_boxes);
        _gl.DeleteProgram(_marks);
        _gl.DeleteBuffer(_boxBuffer);
        _gl.DeleteBuffer(_markBuffer);
        _gl.DeleteVertexArray(_boxArray);
        _gl.DeleteVertexArray(_markArray);
        _gl.Dispose();
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

    private uint Program(string name)
    {
        uint program = _gl.CreateProgram();
        foreach ((ShaderType type, string ending) in new[]
            { (ShaderType.VertexShader, ".vert"), (ShaderType.FragmentShader, ".frag") })
        {
            uint shader = _gl.CreateShader(type);
            _gl.ShaderSource(shader, Resource.Text(name + ending));
            _gl.CompileShader(shader);
            _gl.AttachShader(program, shader);
            if (_gl.GetShader(shader, ShaderParameterName.CompileStatus) == 0)
                throw new RunFailedException($"OpenGL: {name}{ending}: {_gl.GetShaderInfoLog(shader)}");

            _gl.DeleteShader(shader); // goes with the program
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
            BufferTargetARB.ArrayBuffer, (nuint)(capacity * sizeof(T)), null, BufferUsageARB.StreamDraw);
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
