using System.Buffers.Binary;
using System.IO.Compression;
using System.Text;

namespace Engine.Tests.Samples;

/// <summary>A picture that a sample wrote: PNG, 8 bits of red, green and blue a pixel, rows without filters.</summary>
internal sealed class PngPicture
{
    private const int HeadBytes = 8;
    private const int BytesPerPixel = 3;
    private readonly byte[] _colors;

    private PngPicture(int width, int height, byte[] colors) => (Width, Height, _colors) = (width, height, colors);

    public int Width { get; }

    public int Height { get; }

    /// <summary>How many different colors there are.</summary>
    public int ColorCount => _colors.Chunk(BytesPerPixel).Select(color => color[0] << 16 | color[1] << 8 | color[2])
        .Distinct().Count();

    public static PngPicture Read(string path)
    {
        byte[] file = File.ReadAllBytes(path);
        using MemoryStream packed = new();
        (int width, int height) = (0, 0);
        for (int at = HeadBytes; at < file.Length;)
        {
            int length = BinaryPrimitives.ReadInt32BigEndian(file.AsSpan(at));
            Span<byte> data = file.AsSpan(at + 8, length);
            string kind = Encoding.ASCII.GetString(file, at + 4, 4);
            if (kind == "IHDR")
            {
                width = BinaryPrimitives.ReadInt32BigEndian(data);
                height = BinaryPrimitives.ReadInt32BigEndian(data[4..]);
                Assert.That((data[8], data[9]), Is.EqualTo(((byte)8, (byte)2)), "bits and kind of colors");
            }
            else if (kind == "IDAT")
            {
                packed.Write(data);
            }

            at += length + 12;
        }

        packed.Position = 0;
        using ZLibStream stream = new(packed, CompressionMode.Decompress);
        byte[] colors = new byte[width * height * BytesPerPixel];
        for (int row = 0; row < height; row++)
        {
            Assert.That(stream.ReadByte(), Is.Zero, "the row's filter");
            stream.ReadExactly(colors, row * width * BytesPerPixel, width * BytesPerPixel);
        }

        return new PngPicture(width, height, colors);
    }

    /// <summary>The share of pixels, from 0 to 1, that look different in another picture of the same size.</summary>
    public double DifferenceFrom(PngPicture other)
    {
        const int Seen = 16;
        Assert.That((other.Width, other.Height), Is.EqualTo((Width, Height)));
        int different = 0;
        for (int pixel = 0; pixel < _colors.Length; pixel += BytesPerPixel)
        {
            bool differs = false;
            for (int color = pixel; color < pixel + BytesPerPixel; color++)
                differs |= Math.Abs(_colors[color] - other._colors[color]) > Seen;

            different += differs ? 1 : 0;
        }

        return different / (double)(Width * Height);
    }
}
