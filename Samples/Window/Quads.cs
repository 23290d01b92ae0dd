// Thousands of colored quads, their places from memory of the frame, and their drawing in one call of OpenGL.
using System.Runtime.InteropServices;
using Silk.NET.OpenGL;

namespace Samples.Window;

/// <summary>A quad's middle, half its width, and its color.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct Quad
{
    public float X;
    public float Y;
    public float HalfWidth;
    public uint Color;
}

/// <summary>What a graphics driver is asked for. One thread, that which made it.</summary>
internal interface IQuadRenderer : IDisposable
{
    /// <summary>Draws a frame and shows it.</summary>
    void Draw(ReadOnlySpan<Quad> quads);

    /// <summary>Has the driver take a texture's memory, which a frame must not.</summary>
    void UploadTexture(int side);
}

/// <summary>Draws quads with OpenGL.</summary>
internal sealed unsafe class OpenGLRenderer : IQuadRenderer
{
    private const string VertexSource = """
        #version 330 core
        layout(location = 0) in vec3 place;
        layout(location = 1) in vec4 tint;
        out vec4 color;
        void main()
        {
            vec2 corner = vec2(gl_VertexID & 1, gl_VertexID >> 1) * 2.0 - 1.0;
            gl_Position = vec4(place.xy + corner * place.z, 0.0, 1.0);
            color = tint;
        }
        """;

    private const string FragmentSource = """
        #version 330 core
        in vec4 color;
        out vec4 result;
        void main() { result = color; }
        """;

    private readonly SdlWindow _window;
    private readonly GL _gl;
    private readonly uint _program;
    private readonly uint _array;
    private readonly uint _buffer;

    public OpenGLRenderer(SdlWindow window, int capacity)
    {
        var gl = GL.GetApi(SdlWindow.FunctionOf);
        (_window, _gl) = (window, gl);
        _program = gl.CreateProgram();
        gl.AttachShader(_program, Shader(ShaderType.VertexShader, VertexSource));
        gl.AttachShader(_program, Shader(ShaderType.FragmentShader, FragmentSource));
        gl.LinkProgram(_program);
        _array = gl.GenVertexArray();
        gl.BindVertexArray(_array);
        _buffer = gl.GenBuffer();
        gl.BindBuffer(BufferTargetARB.ArrayBuffer, _buffer);
        gl.BufferData(
            BufferTargetARB.ArrayBuffer, (nuint)(capacity * sizeof(Quad)), null, BufferUsageARB.StreamDraw);
        gl.VertexAttribPointer(0, 3, VertexAttribPointerType.Float, false, (uint)sizeof(Quad), (void*)0);
        gl.VertexAttribPointer(1, 4, VertexAttribPointerType.UnsignedByte, true, (uint)sizeof(Quad), (void*)12);
        for (uint index = 0; index < 2; index++)
        {
            gl.EnableVertexAttribArray(index);
            gl.VertexAttribDivisor(index, 1);
        }
    }

    public void Draw(ReadOnlySpan<Quad> quads)
    {
        _gl.ClearColor(0.1f, 0.1f, 0.12f, 1);
        _gl.Clear(ClearBufferMask.ColorBufferBit);
        _gl.UseProgram(_program);
        _gl.BindVertexArray(_array);
        fixed (Quad* first = quads)
            _gl.BufferSubData(BufferTargetARB.ArrayBuffer, 0, (nuint)(quads.Length * sizeof(Quad)), first);

        _gl.DrawArraysInstanced(PrimitiveType.TriangleStrip, 0, 4, (uint)quads.Length);
        _window.Present();
    }

    public void UploadTexture(int side)
    {
        const int BytesPerPixel = 4;
        void* pixels = NativeMemory.AllocZeroed((nuint)(side * side * BytesPerPixel));
        _gl.BindTexture(TextureTarget.Texture2D, _gl.GenTexture());
        _gl.TexImage2D(
            TextureTarget.Texture2D, 0, InternalFormat.Rgba8, (uint)side, (uint)side, 0, PixelFormat.Rgba,
            PixelType.UnsignedByte, pixels);
        NativeMemory.Free(pixels);
    }

    public void Dispose()
    {
        _gl.DeleteProgram(_program);
        _gl.DeleteBuffer(_buffer);
        _gl.DeleteVertexArray(_array);
        _gl.Dispose();
    }

    private uint Shader(ShaderType type, string source)
    {
        uint shader = _gl.CreateShader(type);
        _gl.ShaderSource(shader, source);
        _gl.CompileShader(shader);
        return shader;
    }
}
