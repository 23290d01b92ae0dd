namespace Samples.Soak.Rows;

/// <summary>The straight line that fits measurements at even distances best (least squares).</summary>
internal static class Slope
{
    /// <summary>How much the line rises from the first measurement to the last. Of fewer than two it is 0.</summary>
    public static double Rise(ReadOnlySpan<long> values)
    {
        if (values.Length < 2)
        {
            return 0;
        }

        double middle = (values.Length - 1) / 2.0;
        double mean = 0;
        foreach (long value in values)
        {
            mean += value / (double)values.Length;
        }

        double products = 0;
        double squares = 0;
        for (int index = 0; index < values.Length; index++)
        {
            products += (index - middle) * (values[index] - mean);
            squares += (index - middle) * (index - middle);
        }

        return products / squares * (values.Length - 1);
    }
}
