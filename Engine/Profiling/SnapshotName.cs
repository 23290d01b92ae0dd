using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Engine.Profiling;

/// <summary>A name in a <see cref="MemorySnapshot"/>: text without a managed object, cut off after 32 characters. Immutable; any thread.</summary>
public readonly struct SnapshotName : IEquatable<SnapshotName>
{
    private const int MaximumLength = 32;

    private readonly Characters _characters;
    private readonly int _length;

    internal SnapshotName(string name)
    {
        _length = Math.Min(name.Length, MaximumLength);
        name.AsSpan(0, _length).CopyTo(MemoryMarshal.CreateSpan(ref Unsafe.As<Characters, char>(ref _characters), MaximumLength));
    }

    private ReadOnlySpan<char> Text =>
        MemoryMarshal.CreateReadOnlySpan(ref Unsafe.As<Characters, char>(ref Unsafe.AsRef(in _characters)), MaximumLength)[.._length];

    /// <summary>Whether both are the same text.</summary>
    public static bool operator ==(SnapshotName left, SnapshotName right) => left.Equals(right);

    /// <summary>Whether they are not.</summary>
    public static bool operator !=(SnapshotName left, SnapshotName right) => !left.Equals(right);

    /// <inheritdoc/>
    public bool Equals(SnapshotName other) => Text.SequenceEqual(other.Text);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is SnapshotName other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => string.GetHashCode(Text);

    /// <summary>The name as a string, which is allocated.</summary>
    public override string ToString() => new(Text);

    [InlineArray(MaximumLength)]
    private struct Characters
    {
        private char _first;
    }
}
