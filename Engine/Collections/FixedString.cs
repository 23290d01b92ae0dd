using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Unicode;

namespace SuperSlab.Collections;

/// <summary>
/// What the fixed strings share. A string has its length in the first byte, the text in UTF-8 behind it, and zeros to
/// the end, one at least: so two are equal if all their bytes are, and C can read the text.
/// </summary>
internal static class FixedText
{
    public static ReadOnlySpan<byte> Of(ReadOnlySpan<byte> all) => all.Slice(1, all[0]);

    /// <summary>Appends bytes; false, with nothing changed, where they do not fit.</summary>
    public static bool TryAppend(Span<byte> all, ReadOnlySpan<byte> text)
    {
        Span<byte> room = Room(all);
        if (!text.TryCopyTo(room))
            return false;

        all[0] += (byte)text.Length;
        return true;
    }

    /// <summary>Appends characters; false, with nothing changed, where they do not fit.</summary>
    public static bool TryAppend(Span<byte> all, ReadOnlySpan<char> text)
    {
        Span<byte> room = Room(all);
        if (Utf8.FromUtf16(text, room, out _, out int written) != System.Buffers.OperationStatus.Done)
        {
            room.Clear();
            return false;
        }

        all[0] += (byte)written;
        return true;
    }

    /// <summary>Appends a value; false, with nothing changed, where it does not fit.</summary>
    public static bool TryAppend<T>(Span<byte> all, T value, ReadOnlySpan<char> format)
        where T : IUtf8SpanFormattable
    {
        Span<byte> room = Room(all);
        if (!value.TryFormat(room, out int written, format, CultureInfo.InvariantCulture))
        {
            room.Clear();
            return false;
        }

        // A type may have written more than it says.
        room[written..].Clear();
        all[0] += (byte)written;
        return true;
    }

    public static int HashOf(ReadOnlySpan<byte> all)
    {
        HashCode code = default;
        code.AddBytes(Of(all));
        return code.ToHashCode();
    }

    public static void ThrowUnless(bool fits, int capacity)
    {
        if (!fits)
            throw new ArgumentException($"The text does not fit in the {capacity} bytes of UTF-8 of the string.");
    }

    private static Span<byte> Room(Span<byte> all) => all[(1 + all[0])..^1];
}

/// <summary>What the compiler makes an interpolated string of that becomes a fixed string.</summary>
[InterpolatedStringHandler]
public ref struct FixedStringHandler
{
    private FixedString128 _text;

    /// <summary>Begins a string.</summary>
    /// <param name="literalLength">The characters outside of braces.</param>
    /// <param name="formattedCount">The values.</param>
    [SuppressMessage("Usage", "CA1801", Justification = "The compiler gives them.")]
    public FixedStringHandler(int literalLength, int formattedCount)
    {
        _ = literalLength;
        _ = formattedCount;
    }

    internal readonly FixedString128 Text => _text;

    /// <summary>Appends what stands outside of braces.</summary>
    public void AppendLiteral(string value) => Check(_text.TryAppend(value));

    /// <summary>Appends a string.</summary>
    public void AppendFormatted(string? value) => Check(_text.TryAppend(value));

    /// <summary>Appends characters.</summary>
    public void AppendFormatted(ReadOnlySpan<char> value) => Check(_text.TryAppend(value));

    /// <summary>Appends bytes in UTF-8.</summary>
    public void AppendFormatted(ReadOnlySpan<byte> value) => Check(_text.TryAppendUtf8(value));

    /// <summary>Appends a value in a format of its type.</summary>
    public void AppendFormatted<T>(T value, string? format = null)
        where T : IUtf8SpanFormattable => Check(_text.TryAppend(value, format));

    private static void Check(bool fits) => FixedText.ThrowUnless(fits, FixedString128.Capacity);
}

/// <summary>
/// Text of up to 30 bytes in UTF-8, in a struct of 32 bytes: a name in a component, a key of a map. Equal texts have
/// equal bytes, and a zero ends them for C. The default is the empty text. Hot-loop safe.
/// </summary>
public struct FixedString32 : IEquatable<FixedString32>
{
    /// <summary>The most bytes of UTF-8 that it holds.</summary>
    public const int Capacity = 32 - 2;

    private Buffer _bytes;

    /// <summary>Makes a text.</summary>
    /// <exception cref="ArgumentException">It does not fit.</exception>
    public FixedString32(ReadOnlySpan<char> text) => FixedText.ThrowUnless(TryAppend(text), Capacity);

    /// <summary>Makes a text of an interpolated string, without a managed one: <c>new($"door {number}")</c>.</summary>
    /// <exception cref="ArgumentException">It does not fit.</exception>
    public FixedString32(FixedStringHandler text) =>
        FixedText.ThrowUnless(TryAppendUtf8(text.Text.AsSpan()), Capacity);

    /// <summary>The length in bytes.</summary>
    public readonly int Length => _bytes[0];

    /// <summary>Whether both have the same text.</summary>
    public static bool operator ==(FixedString32 left, FixedString32 right) => left.Equals(right);

    /// <summary>Whether their texts differ.</summary>
    public static bool operator !=(FixedString32 left, FixedString32 right) => !left.Equals(right);

    /// <summary>The text in UTF-8; a zero is behind it.</summary>
    [UnscopedRef]
    public readonly ReadOnlySpan<byte> AsSpan() => FixedText.Of(_bytes);

    /// <summary>Appends characters.</summary>
    /// <returns>Whether they fit; otherwise nothing has changed.</returns>
    public bool TryAppend(ReadOnlySpan<char> text) => FixedText.TryAppend(_bytes, text);

    /// <summary>Appends bytes in UTF-8, as they are.</summary>
    /// <returns>Whether they fit; otherwise nothing has changed.</returns>
    public bool TryAppendUtf8(ReadOnlySpan<byte> text) => FixedText.TryAppend(_bytes, text);

    /// <summary>Appends a value, such as a number, in the invariant culture.</summary>
    /// <returns>Whether it fits; otherwise nothing has changed.</returns>
    public bool TryAppend<T>(T value, ReadOnlySpan<char> format = default)
        where T : IUtf8SpanFormattable => FixedText.TryAppend(_bytes, value, format);

    /// <inheritdoc/>
    public readonly bool Equals(FixedString32 other) =>
        ((ReadOnlySpan<byte>)_bytes).SequenceEqual(other._bytes);

    /// <inheritdoc/>
    public override readonly bool Equals(object? obj) => obj is FixedString32 other && Equals(other);

    /// <inheritdoc/>
    public override readonly int GetHashCode() => FixedText.HashOf(_bytes);

    /// <summary>The text as a managed string. Makes garbage.</summary>
    public override readonly string ToString() => Encoding.UTF8.GetString(AsSpan());

    [InlineArray(32)]
    private struct Buffer
    {
        private byte _first;
    }
}

/// <summary>
/// Text of up to 62 bytes in UTF-8, in a struct of 64 bytes: a name in a component, a key of a map. Equal texts have
/// equal bytes, and a zero ends them for C. The default is the empty text. Hot-loop safe.
/// </summary>
public struct FixedString64 : IEquatable<FixedString64>
{
    /// <summary>The most bytes of UTF-8 that it holds.</summary>
    public const int Capacity = 64 - 2;

    private Buffer _bytes;

    /// <summary>Makes a text.</summary>
    /// <exception cref="ArgumentException">It does not fit.</exception>
    public FixedString64(ReadOnlySpan<char> text) => FixedText.ThrowUnless(TryAppend(text), Capacity);

    /// <summary>Makes a text of an interpolated string, without a managed one: <c>new($"door {number}")</c>.</summary>
    /// <exception cref="ArgumentException">It does not fit.</exception>
    public FixedString64(FixedStringHandler text) =>
        FixedText.ThrowUnless(TryAppendUtf8(text.Text.AsSpan()), Capacity);

    /// <summary>The length in bytes.</summary>
    public readonly int Length => _bytes[0];

    /// <summary>Whether both have the same text.</summary>
    public static bool operator ==(FixedString64 left, FixedString64 right) => left.Equals(right);

    /// <summary>Whether their texts differ.</summary>
    public static bool operator !=(FixedString64 left, FixedString64 right) => !left.Equals(right);

    /// <summary>The text in UTF-8; a zero is behind it.</summary>
    [UnscopedRef]
    public readonly ReadOnlySpan<byte> AsSpan() => FixedText.Of(_bytes);

    /// <summary>Appends characters.</summary>
    /// <returns>Whether they fit; otherwise nothing has changed.</returns>
    public bool TryAppend(ReadOnlySpan<char> text) => FixedText.TryAppend(_bytes, text);

    /// <summary>Appends bytes in UTF-8, as they are.</summary>
    /// <returns>Whether they fit; otherwise nothing has changed.</returns>
    public bool TryAppendUtf8(ReadOnlySpan<byte> text) => FixedText.TryAppend(_bytes, text);

    /// <summary>Appends a value, such as a number, in the invariant culture.</summary>
    /// <returns>Whether it fits; otherwise nothing has changed.</returns>
    public bool TryAppend<T>(T value, ReadOnlySpan<char> format = default)
        where T : IUtf8SpanFormattable => FixedText.TryAppend(_bytes, value, format);

    /// <inheritdoc/>
    public readonly bool Equals(FixedString64 other) =>
        ((ReadOnlySpan<byte>)_bytes).SequenceEqual(other._bytes);

    /// <inheritdoc/>
    public override readonly bool Equals(object? obj) => obj is FixedString64 other && Equals(other);

    /// <inheritdoc/>
    public override readonly int GetHashCode() => FixedText.HashOf(_bytes);

    /// <summary>The text as a managed string. Makes garbage.</summary>
    public override readonly string ToString() => Encoding.UTF8.GetString(AsSpan());

    [InlineArray(64)]
    private struct Buffer
    {
        private byte _first;
    }
}

/// <summary>
/// Text of up to 126 bytes in UTF-8, in a struct of 128 bytes: a name in a component, a key of a map. Equal texts have
/// equal bytes, and a zero ends them for C. The default is the empty text. Hot-loop safe.
/// </summary>
public struct FixedString128 : IEquatable<FixedString128>
{
    /// <summary>The most bytes of UTF-8 that it holds.</summary>
    public const int Capacity = 128 - 2;

    private Buffer _bytes;

    /// <summary>Makes a text.</summary>
    /// <exception cref="ArgumentException">It does not fit.</exception>
    public FixedString128(ReadOnlySpan<char> text) => FixedText.ThrowUnless(TryAppend(text), Capacity);

    /// <summary>Makes a text of an interpolated string, without a managed one: <c>new($"door {number}")</c>.</summary>
    /// <exception cref="ArgumentException">It does not fit.</exception>
    public FixedString128(FixedStringHandler text) =>
        FixedText.ThrowUnless(TryAppendUtf8(text.Text.AsSpan()), Capacity);

    /// <summary>The length in bytes.</summary>
    public readonly int Length => _bytes[0];

    /// <summary>Whether both have the same text.</summary>
    public static bool operator ==(FixedString128 left, FixedString128 right) => left.Equals(right);

    /// <summary>Whether their texts differ.</summary>
    public static bool operator !=(FixedString128 left, FixedString128 right) => !left.Equals(right);

    /// <summary>The text in UTF-8; a zero is behind it.</summary>
    [UnscopedRef]
    public readonly ReadOnlySpan<byte> AsSpan() => FixedText.Of(_bytes);

    /// <summary>Appends characters.</summary>
    /// <returns>Whether they fit; otherwise nothing has changed.</returns>
    public bool TryAppend(ReadOnlySpan<char> text) => FixedText.TryAppend(_bytes, text);

    /// <summary>Appends bytes in UTF-8, as they are.</summary>
    /// <returns>Whether they fit; otherwise nothing has changed.</returns>
    public bool TryAppendUtf8(ReadOnlySpan<byte> text) => FixedText.TryAppend(_bytes, text);

    /// <summary>Appends a value, such as a number, in the invariant culture.</summary>
    /// <returns>Whether it fits; otherwise nothing has changed.</returns>
    public bool TryAppend<T>(T value, ReadOnlySpan<char> format = default)
        where T : IUtf8SpanFormattable => FixedText.TryAppend(_bytes, value, format);

    /// <inheritdoc/>
    public readonly bool Equals(FixedString128 other) =>
        ((ReadOnlySpan<byte>)_bytes).SequenceEqual(other._bytes);

    /// <inheritdoc/>
    public override readonly bool Equals(object? obj) => obj is FixedString128 other && Equals(other);

    /// <inheritdoc/>
    public override readonly int GetHashCode() => FixedText.HashOf(_bytes);

    /// <summary>The text as a managed string. Makes garbage.</summary>
    public override readonly string ToString() => Encoding.UTF8.GetString(AsSpan());

    [InlineArray(128)]
    private struct Buffer
    {
        private byte _first;
    }
}
