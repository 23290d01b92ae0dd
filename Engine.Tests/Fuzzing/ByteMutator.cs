namespace Engine.Tests.Fuzzing;

/// <summary>Damages bytes of any format: bits, bytes, whole pieces, pieces of other originals, and bytes that often
/// matter.</summary>
internal class ByteMutator(Random random, byte[][] originals)
{
    private static readonly byte[] s_telling =
        [0, 1, 2, 0x7F, 0x80, 0xFE, 0xFF, (byte)'0', (byte)'9', (byte)'-', (byte)' ', (byte)'i'];

    public byte[] Next()
    {
        List<byte> bytes = [.. Pick(originals)];
        for (int times = Times(); times > 0; times--)
            Damage(bytes);

        return [.. bytes];
    }

    protected Random Random => random;

    /// <summary>The longest piece that is removed, copied or taken from another original.</summary>
    protected virtual int LongestPiece => 40;

    protected virtual int Times() => random.Next(5);

    protected virtual void Damage(List<byte> bytes)
    {
        int at = random.Next(bytes.Count + 1);
        int length = Math.Min(1 + random.Next(random.Next(4) == 0 ? LongestPiece : 3), bytes.Count - at);
        switch (random.Next(8))
        {
            case 0 when at < bytes.Count:
                bytes[at] ^= (byte)(1 << random.Next(8));
                break;
            case 1 when at < bytes.Count:
                bytes[at] = (byte)random.Next(256);
                break;
            case 2 when at < bytes.Count:
                bytes[at] = Pick(s_telling);
                break;
            case 3:
                bytes.RemoveRange(at, length);
                break;
            case 4:
                bytes.InsertRange(random.Next(bytes.Count + 1), bytes.GetRange(at, length));
                break;
            case 5:
                bytes.Insert(at, Pick(s_telling));
                break;
            case 6:
                byte[] other = Pick(originals);
                int from = random.Next(other.Length + 1);
                bytes.InsertRange(
                    at, other.AsSpan(from, Math.Min(random.Next(LongestPiece), other.Length - from)).ToArray());
                break;
            default:
                bytes.RemoveRange(at, random.Next(3) == 0 ? bytes.Count - at : 0);
                break;
        }
    }

    protected T Pick<T>(T[] from) => from[random.Next(from.Length)];
}
