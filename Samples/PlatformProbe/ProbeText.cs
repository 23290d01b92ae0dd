using System.Globalization;

namespace PlatformProbe;

/// <summary>The result as tables for a person to read.</summary>
internal static class ProbeText
{
    public static void Write(ProbeResult result, TextWriter to)
    {
        to.WriteLine($"System {result.System}, pages of {result.PageBytes} bytes, transparent huge pages: {result.TransparentHugePages}");
        to.WriteLine($"Memory available: {result.AvailableMebibytes} MiB ({result.AvailableSource})");
        to.WriteLine($"Recording the addresses of faults: {result.FaultRecorder}");
        to.WriteLine();
        to.WriteLine("policy             pages             us/MiB 2 MiB  us/MiB 64 MiB  would fault  write pass  huge MiB of 64");
        foreach (ProbeRow row in result.Rows)
        {
            string figures = row.WhyNot ?? string.Create(
                CultureInfo.InvariantCulture,
                $"{row.MicrosecondsPerMebibyteOfSuperSlab,12:0.0}{row.MicrosecondsPerMebibyteOfLarge,15:0.0}{Known(row.PagesThatWouldFault),13}{Known(row.FaultsOfWritePass),12}{Known(row.HugePageMebibytes),16}");
            to.WriteLine($"{row.Policy,-18} {row.Pages,-17} {figures}");
        }

        to.WriteLine();
        to.WriteLine("automatic chose: " + result.AutomaticChain);
        foreach (PrewarmRow row in result.Prewarms)
        {
            to.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"prewarm of {row.Mebibytes} MiB by {row.Threads} threads: {row.Milliseconds:0.0} ms, {row.GibibytesPerSecond:0.0} GiB/s"));
        }

        if (result.Riddle.Count != 0)
        {
            to.WriteLine();
            to.WriteLine("Does MAP_POPULATE work? 2 MiB, three ways of asking:");
        }

        foreach (RiddleRow row in result.Riddle)
        {
            to.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"  {row.Form,-58}{row.MicrosecondsPerMebibyte,8:0.0} us/MiB, then {row.FaultsLeft,4} of {row.Pages} writes fault: {row.Meaning}"));
        }

        foreach (string failure in result.Failures)
        {
            to.WriteLine("FAILED: " + failure);
        }
    }

    private static string Known(long figure) => figure < 0 ? "?" : figure.ToString(CultureInfo.InvariantCulture);
}
