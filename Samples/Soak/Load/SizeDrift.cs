namespace Samples.Soak.Load;

/// <summary>
/// Sizes that drift, as a game's do from level to level: uniform in their logarithm, within a factor of four of a
/// middle that wanders from 256 bytes to 128 KiB and back. Blocks of the sizes before die at random meanwhile, so what
/// is left of them lies scattered over slabs that the present sizes cannot use. One thread drifts; any thread asks.
/// </summary>
/// <param name="periodTicks">Ticks from the smallest sizes to the largest and back.</param>
internal sealed class SizeDrift(int periodTicks)
{
    private const double LeastBits = 8;
    private const double MostBits = 17;
    private const double SpreadBits = 2;

    private double _middleBits = LeastBits;
    private int _ticks;

    public void Tick()
    {
        double turn = Math.Tau * _ticks++ / periodTicks;
        Volatile.Write(ref _middleBits, LeastBits + ((MostBits - LeastBits) * (1 - Math.Cos(turn)) / 2));
    }

    public nuint Next(Random random)
    {
        double bits = Volatile.Read(ref _middleBits) + (SpreadBits * ((2 * random.NextDouble()) - 1));
        return (nuint)Math.Pow(2, bits);
    }
}
