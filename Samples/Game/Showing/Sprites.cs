// What a level gives a renderer, and where it is looked at from.
using System.Numerics;
using System.Runtime.InteropServices;

namespace Samples.Game.Showing;

/// <summary>A box to be drawn; the layout is what the graphics card reads, 48 bytes.</summary>
/// <param name="Half">Half its sides.</param>
/// <param name="Color">Red in the lowest byte.</param>
[StructLayout(LayoutKind.Sequential)]
internal readonly record struct Sprite(Vector3 Position, Quaternion Rotation, Vector3 Half, uint Color)
{
    private readonly uint _padding;
}

/// <summary>What one worker wrote down of a frame.</summary>
internal readonly record struct DrawList(Table<Sprite> Sprites, int Count)
{
    public ReadOnlySpan<Sprite> Span => Count == 0 ? [] : Sprites.Span[..Count];
}

/// <summary>An eye, and what it sees.</summary>
internal readonly struct Camera
{
    private const float FieldOfView = 1;
    private readonly Vector3 _forward;
    private readonly Vector3 _right;
    private readonly Vector3 _up;
    private readonly float _slopeX;
    private readonly float _slopeY;

    public Camera(Vector3 eye, Vector3 target, float aspect)
    {
        Eye = eye;
        _forward = Vector3.Normalize(target - eye);
        _right = Vector3.Normalize(Vector3.Cross(_forward, Vector3.UnitY));
        _up = Vector3.Cross(_right, _forward);
        _slopeY = MathF.Tan(FieldOfView / 2);
        _slopeX = _slopeY * aspect;
        ViewProjection = Matrix4x4.CreateLookAt(eye, target, Vector3.UnitY)
            * Matrix4x4.CreatePerspectiveFieldOfView(FieldOfView, aspect, 0.5f, 600);
    }

    public Vector3 Eye { get; }

    public Matrix4x4 ViewProjection { get; }

    /// <summary>Whether a ball may be in the picture.</summary>
    public bool Sees(Vector3 position, float radius)
    {
        Vector3 offset = position - Eye;
        float depth = Vector3.Dot(offset, _forward) + radius;
        float margin = radius * 2;
        return depth > 0 && MathF.Abs(Vector3.Dot(offset, _right)) < (depth * _slopeX) + margin
            && MathF.Abs(Vector3.Dot(offset, _up)) < (depth * _slopeY) + margin;
    }
}
