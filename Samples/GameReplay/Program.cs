namespace Samples.GameReplay;

internal static class Program
{
    private static int Main(string[] arguments)
    {
        foreach (string n in Tracing.TraceSource.EmbeddedNames())
        {
            var sw = System.Diagnostics.Stopwatch.StartNew();
            var t = Tracing.TraceSource.Find(n);
            var p = Learning.TraceLearner.Learn(t.Open(), n);
            long bytes = 0, owned = 0;
            foreach (var k in p.Peaks) bytes += k.BlockBytes * k.Count;
            foreach (var k in p.Uses) { owned += k.BlockBytes * k.OwnedPeak; }
            Console.WriteLine($"{n} {sw.ElapsedMilliseconds} ms threads {p.Threads} slots {p.Slots} frames {p.Frames} allocs {p.Allocations} in frames {p.FrameAllocations} live {p.PeakLiveBytes} prewarm {bytes} owned {owned} uses {p.Uses.Length} cap {string.Join(',', p.OperationCapacities)}");
            if (arguments.Length > 0) foreach (var k in p.Peaks) Console.Write($" {k.BlockBytes}x{k.Count}");
        }
        return 0;
    }
}
