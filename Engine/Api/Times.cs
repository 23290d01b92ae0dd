namespace SuperSlab;

/// <summary>Times as a person reads them, as <see cref="Sizes"/> has sizes: three significant digits of the unit that
/// fits, in the report, the live view and all texts.</summary>
internal static class Times
{
    private const int TickNanoseconds = 100;

    /// <summary>Nanoseconds from 0: "728 ns", "4.3 µs", "1.25 ms", "12,345 s".</summary>
    public static string Text(long nanoseconds) => nanoseconds switch
    {
        < 1_000 => $"{Sizes.ThreeDigits(nanoseconds)} ns",
        < 1_000_000 => $"{Sizes.ThreeDigits(nanoseconds / 1e3m)} µs",
        < 1_000_000_000 => $"{Sizes.ThreeDigits(nanoseconds / 1e6m)} ms",
        _ => $"{Sizes.ThreeDigits(nanoseconds / 1e9m)} s",
    };

    public static string Text(TimeSpan time) => Text(time.Ticks * TickNanoseconds);
}
