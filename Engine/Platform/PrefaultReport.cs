namespace Engine.Platform;

/// <summary>What a prefault did and how long it took.</summary>
/// <param name="Bytes">How much was committed and made resident.</param>
/// <param name="Nanoseconds">How long it took, from the first call to the last.</param>
/// <param name="ThreadCount">How many threads were asked to take part.</param>
/// <param name="Pages">The kind of pages that stands behind the range.</param>
/// <param name="Policy">The policy that put them there.</param>
public readonly record struct PrefaultReport(ulong Bytes, long Nanoseconds, int ThreadCount, PageKind Pages, PrefaultPolicy Policy)
{
    /// <summary>Memory bandwidth: bytes made resident in a second; 0 when it took no measurable time.</summary>
    public double BytesPerSecond => Nanoseconds <= 0 ? 0 : Bytes * 1e9 / Nanoseconds;

    /// <summary>For example "1024 MiB in 71.3 ms (14.0 GiB/s) by 2 threads, TransparentHuge pages by PopulateWrite".</summary>
    public override string ToString() => FormattableString.Invariant(
        $"{Bytes / 1048576.0:0.###} MiB in {Nanoseconds / 1e6:0.0} ms ({BytesPerSecond / (1 << 30):0.0} GiB/s) by {ThreadCount} threads, {Pages} pages by {Policy}");
}
