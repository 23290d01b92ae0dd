// Pictures: pixels with lines and text on them, written as PNG.
using System.Buffers.Binary;
using System.IO.Compression;
using System.Text;

namespace Samples.Game.Showing;

/// <summary>An opaque picture, from the top left; colors have red in the lowest byte.</summary>
internal sealed class Picture(int width, int height)
{
    private const uint Polynomial = 0xEDB88320;
    private readonly uint[] _pixels = new uint[width * height];

    public int Width => width;

    public int Height => height;

    public Span<uint> Row(int y) => _pixels.AsSpan(y * width, width);

    public void Fill(int x, int y, int columns, int rows, uint color)
    {
        for (int row = Math.Max(y, 0); row < Math.Min(y + rows, height); row++)
        {
            int end = Math.Clamp(x + columns, 0, width);
            Row(row)[Math.Clamp(x, 0, end)..end].Fill(color);
        }
    }

    public void Write(int x, int y, string text, uint color, int scale = 1)
    {
        foreach (char character in text)
        {
            ulong dots = Font.Dots((byte)character);
            for (int dot = 0; dot < Font.Width * Font.Height; dot++)
            {
                if ((dots >> dot & 1) != 0)
                    Fill(x + (dot / Font.Height * scale), y + (dot % Font.Height * scale), scale, scale, color);
            }

            x += (Font.Width + 1) * scale;
        }
    }

    /// <summary>Writes it as PNG (ISO/IEC 15948), 8 bits of red, green and blue a pixel.</summary>
    public void Save(string path)
    {
        using FileStream file = File.Create(path);
        file.Write([0x89, (byte)'P', (byte)'N', (byte)'G', 13, 10, 26, 10]);
        byte[] head = new byte[13];
        BinaryPrimitives.WriteInt32BigEndian(head, width);
        BinaryPrimitives.WriteInt32BigEndian(head.AsSpan(4), height);
        (head[8], head[9]) = (8, 2);
        Chunk(file, "IHDR", head);
        using MemoryStream packed = new();
        using (ZLibStream stream = new(packed, CompressionLevel.SmallestSize, leaveOpen: true))
        {
            byte[] line = new byte[1 + (3 * width)];
            for (int y = 0; y < height; y++)
            {
                for (int x = 0; x < width; x++)
                {
                    uint pixel = Row(y)[x];
                    (line[(3 * x) + 1], line[(3 * x) + 2]) = ((byte)pixel, (byte)(pixel >> 8));
                    line[(3 * x) + 3] = (byte)(pixel >> 16);
                }

                stream.Write(line);
            }
        }

        Chunk(file, "IDAT", packed.ToArray());
        Chunk(file, "IEND", []);
    }

    private static void Chunk(Stream file, string name, byte[] data)
    {
        byte[] chunk = [.. Encoding.ASCII.GetBytes(name), .. data];
        Span<byte> number = stackalloc byte[4];
        BinaryPrimitives.WriteInt32BigEndian(number, data.Length);
        file.Write(number);
        file.Write(chunk);
        uint sum = uint.MaxValue;
        foreach (byte value in chunk)
        {
            sum ^= value;
            for (int bit = 0; bit < 8; bit++)
                sum = (sum >> 1) ^ ((sum & 1) * Polynomial);
        }

        BinaryPrimitives.WriteUInt32BigEndian(number, ~sum);
        file.Write(number);
    }
}
