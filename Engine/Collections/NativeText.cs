using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Unicode;

namespace SuperSlab.Collections;

/// <summary>
/// Text in UTF-8 that grows, in an arena or a lane. Numbers and other values are written into it without a managed
/// string, in the invariant culture. A struct of 16 bytes to be copied freely: copies are the same text. Hot-loop safe;
/// one thread at a time changes it, any number read it.
/// <code>
/// using NativeText text = new(lane);
/// text.Append($"{player}: {score:0.0} points");
/// </code>
/// </summary>
public unsafe struct NativeText : IDisposable
{
    /// <summary>The most bytes in UTF-8 of a char in UTF-16.</summary>
    private const int MostBytesOfChar = 3;

    /// <summary>Room for a value before it is known how long it is.</summary>
    private const int UsualValueBytes = 32;

    private ContainerHandle _handle;

    /// <summary>Makes an empty text.</summary>
    /// <param name="arena">Where it lies: a long-lived arena, a small arena or a lane.</param>
    /// <param name="capacity">For how many bytes it has room at once.</param>
    /// <param name="file">Left out: where it is made, for messages.</param>
    /// <param name="line">Left out: the line there.</param>
    /// <inheritdoc cref="NativeList{T}(ArenaRef, int, string, int)"/>
    public NativeText(
        ArenaRef arena, int capacity = 0, [CallerFilePath] string file = "", [CallerLineNumber] int line = 0) =>
        _handle = ContainerHandle.Make<ContainerHeader>(arena, typeof(NativeText), file, line, capacity);

    /// <summary>Whether it was made, and not disposed under this name.</summary>
    public readonly bool IsCreated => _handle.IsCreated;

    /// <summary>The length in bytes.</summary>
    public readonly int Length => _handle.Count;

    /// <summary>The text in UTF-8. Valid until it changes.</summary>
    public readonly ReadOnlySpan<byte> AsSpan() => _handle.Elements<byte>();

    /// <summary>The text for C: the bytes and a zero behind them. Valid until it changes.</summary>
    /// <exception cref="EngineOutOfMemoryException">There is no memory for the zero.</exception>
    public readonly byte* AsCString()
    {
        *Open(1) = 0;
        return Close(0);
    }

    /// <summary>Appends characters. What is no valid UTF-16 becomes U+FFFD.</summary>
    /// <exception cref="EngineOutOfMemoryException">There is no memory. Nothing has changed.</exception>
    public readonly void Append(ReadOnlySpan<char> text)
    {
        long most = (long)text.Length * MostBytesOfChar;
        Utf8.FromUtf16(text, new Span<byte>(Open(most), (int)most), out _, out int written);
        Close(written);
    }

    /// <summary>Appends bytes in UTF-8, as they are.</summary>
    /// <inheritdoc cref="Append(ReadOnlySpan{char})"/>
    public readonly void AppendUtf8(ReadOnlySpan<byte> text)
    {
        text.CopyTo(new Span<byte>(Open(text.Length), text.Length));
        Close(text.Length);
    }

    /// <summary>Appends a value, such as a number.</summary>
    /// <param name="value">The value.</param>
    /// <param name="format">A format of the value's type.</param>
    /// <exception cref="FormatException">The format is none of the type.</exception>
    /// <inheritdoc cref="Append(ReadOnlySpan{char})"/>
    public readonly void Append<T>(T value, ReadOnlySpan<char> format = default)
        where T : IUtf8SpanFormattable
    {
        for (long room = UsualValueBytes; ; room *= 2)
        {
            Span<byte> bytes = new(Open(room), (int)room);
            int written = 0;
            bool fits;
            try
            {
                fits = value.TryFormat(bytes, out written, format, CultureInfo.InvariantCulture);
            }
            finally
            {
                Close(written);
            }

            if (fits)
                return;
        }
    }

    /// <summary>Appends an interpolated string, each part of which is written where it goes.</summary>
    /// <inheritdoc cref="Append(ReadOnlySpan{char})"/>
    [SuppressMessage("Performance", "CA1822", Justification = "The handler has written to this text already.")]
    public readonly void Append([InterpolatedStringHandlerArgument("")] AppendHandler handler) => _ = handler;

    /// <summary>Removes all; the room stays.</summary>
    public readonly void Clear()
    {
        _handle.BeginWrite()->Count = 0;
        _handle.EndWrite();
    }

    /// <summary>The text as a managed string. Makes garbage.</summary>
    public override readonly string ToString() => IsCreated ? Encoding.UTF8.GetString(AsSpan()) : "";

    /// <inheritdoc cref="NativeArray{T}.Dispose"/>
    public void Dispose() => ContainerHandle.Dispose(ref _handle);

    /// <summary>Begins a change: the place behind the text, with room.</summary>
    private readonly byte* Open(long bytes)
    {
        ContainerHeader* header = _handle.BeginWrite();
        if (header->Count + bytes > header->Capacity)
            ContainerHandle.Grow(_handle, header, header->Count + bytes, sizeof(byte));

        return (byte*)header->Data + header->Count;
    }

    /// <summary>Ends a change that wrote some bytes.</summary>
    private readonly byte* Close(int written)
    {
        ContainerHeader* header = _handle.IsChecked ? _handle.Read() : _handle.Fast;
        header->Count += written;
        _handle.EndWrite();
        return (byte*)header->Data;
    }

    /// <summary>What the compiler makes an interpolated string of.</summary>
    [InterpolatedStringHandler]
    [SuppressMessage("Design", "CA1034", Justification = "Only the compiler names it.")]
    public readonly ref struct AppendHandler
    {
        private readonly NativeText _text;

        /// <summary>Begins a string that goes to a text.</summary>
        /// <param name="literalLength">The characters outside of braces.</param>
        /// <param name="formattedCount">The values.</param>
        /// <param name="text">The text.</param>
        public AppendHandler(int literalLength, int formattedCount, NativeText text)
        {
            _text = text;
            text.Open(literalLength + ((long)formattedCount * UsualValueBytes));
            text.Close(0);
        }

        /// <summary>Appends what stands outside of braces.</summary>
        public void AppendLiteral(string value) => _text.Append(value);

        /// <summary>Appends a string.</summary>
        public void AppendFormatted(string? value) => _text.Append(value);

        /// <summary>Appends characters.</summary>
        public void AppendFormatted(ReadOnlySpan<char> value) => _text.Append(value);

        /// <summary>Appends bytes in UTF-8.</summary>
        public void AppendFormatted(ReadOnlySpan<byte> value) => _text.AppendUtf8(value);

        /// <summary>Appends "True" or "False".</summary>
        public void AppendFormatted(bool value) => _text.AppendUtf8(value ? "True"u8 : "False"u8);

        /// <summary>Appends a value in a format of its type.</summary>
        public void AppendFormatted<T>(T value, string? format = null)
            where T : IUtf8SpanFormattable => _text.Append(value, format);
    }
}
