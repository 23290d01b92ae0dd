using System.Runtime.InteropServices;
using System.Text.Json;
using Engine.Tests.Support;
using Samples.Benchmarks.Contestants;
using Samples.Benchmarks.Native;
using Samples.Benchmarks.Scaling;
using Samples.Benchmarks.Workloads;
using Samples.Common;

namespace Engine.Tests.Samples;

/// <summary>The scaling workloads of the benchmarks: each with hardly any work, by all contestants, and as a user runs
/// them.</summary>
[TestFixture]
[Category(Lane.Slow)]
internal sealed class ScalingTests
{
    private const string Shape =
        "{processors,scaling:[{name,threads,operations,contestants:[{name,nanosecondsPerOperation:{min,median,max},ratioToOneThread,ratioToBestPeer,"
        + "callNanoseconds:{p50,p999,p9999,longest,longestUndisturbed},systemCalls,engineOsCalls,voluntarySwitches,involuntarySwitches,minorFaults}]}]}";

    private const int Threads = 2;
    private const long Operations = 20_000;
    private const int Repetitions = 2;
    private static readonly byte[] PngSignature = [0x89, 0x50, 0x4E, 0x47];

    // The other native allocators are not loaded into the tests' own process.
    private static readonly string[] Everywhere =
        [.. ScalingHost.Contestants.Where(name => !Array.Exists(Peer.All[1..], peer => peer.Name == name))];

    private NativeDriver? _driver;
    private string _driverReason = "";

    [OneTimeSetUp]
    public void Compile() => _driver = NativeDriver.TryCreate(out _driverReason);

    [OneTimeTearDown]
    public void RemoveFolder() => _driver?.Dispose();

    [TestCaseSource(typeof(ScalingWork), nameof(ScalingWork.All))]
    public void All_contestants_do_the_same_work_and_lose_nothing(ScalingWork work)
    {
        ScalingLoad load = LoadOf(work);
        List<ScalingMeasurement> measurements = [.. Everywhere.Select(name =>
            ScalingHost.Measure(load, name, counter: null))];
        if (_driver is not null)
            measurements.Add(ScalingMeasurement.Parse(_driver.Run(load, Peer.All[0]), load));

        using (Assert.EnterMultipleScope())
        {
            Assert.That(measurements, Has.Count.GreaterThanOrEqualTo(6));
            Assert.That(measurements.Select(measured =>
                measured.Checksum), Is.All.EqualTo(measurements[0].Checksum).And.All.Positive);
            Assert.That(measurements.Select(measured => measured.LostBlocks), Is.All.Zero);
            Assert.That(measurements.Select(measured =>
                measured.Nanoseconds), Is.All.Length.EqualTo(Repetitions).And.All.All.Positive);
            Assert.That(measurements.Select(measured => measured.Latency).Select(IsInOrder), Is.All.True);
        }
    }

    [TestCaseSource(typeof(ScalingWork), nameof(ScalingWork.All))]
    public void An_allocator_that_hands_out_blocks_in_use_is_noticed(ScalingWork work)
    {
        ScalingMeasurement measured = ScalingHost.Run<ReusingAllocator, ReusingAllocator, Address>(
            new ScalingLoad(work, 1, Operations, 1), new ReusingAllocator(), counter: null);
        Assert.That(measured.LostBlocks, work.TakesGiven ? Is.Zero : Is.Positive, "scratch has no two blocks at once");
    }

    [Test]
    public void A_scratch_block_that_two_threads_have_is_noticed()
    {
        var player = new Player<Address>(0, []);
        byte[] counted = [13, 13, 13, 13, 12, 12, 12, 12];
        player.LookAtWrites(ref counted[0], counted.Length, 100);
        Assert.That(player.Lost, Is.Zero);
        counted[3]--;
        player.LookAtWrites(ref counted[0], counted.Length, 100);
        Assert.That(player.Lost, Is.EqualTo(1));
    }

    [Test]
    public void Lost_contents_and_other_work_are_faults_in_words()
    {
        var point = new ScalingPoint(LoadOf(ScalingWork.All[0]));
        point.Add("good", Made([1]));
        point.Add("torn", Made([1]) with { LostBlocks = 3 });
        point.Add("lazy", Made([1]) with { Checksum = 8 });
        string[] expected =
        [
            "mixed on 2 threads: torn: 3 blocks had lost what was written to them",
            "mixed on 2 threads: lazy did other work than good: checksum 8 instead of 7",
        ];
        Assert.That(point.Faults(), Is.EqualTo(expected));
    }

    [Test]
    public void System_calls_of_a_thread_are_counted()
    {
        string library = Driver().SystemCallsLibrary;
        var counter = new SystemCallCounter(library);
        if (!counter.TryBegin())
            Assert.Ignore("this system does not dispatch system calls to the thread");

        long none = counter.End();
        Assert.That(counter.TryBegin(), Is.True);
        _ = Yield();
        _ = Yield();
        long two = counter.End();
        _ = Yield();
        Assert.That((none, two), Is.EqualTo((0L, 2L)));
    }

    [Test]
    public void A_thread_whose_calls_are_counted_survives_a_collection_of_others()
    {
        var counter = new SystemCallCounter(Driver().SystemCallsLibrary);
        ScalingLoad load = LoadOf(ScalingWork.All.First(work => work.Name == "big"));
        ScalingMeasurement measured = ScalingHost.Measure(load, ContestantNames.Gc, counter);
        Assert.That(measured.LostBlocks, Is.Zero);
    }

    [Test]
    public void Single_calls_fall_into_buckets_that_are_at_most_a_sixty_fourth_wide()
    {
        var times = new CallTimes();
        for (int call = 1; call <= 10_000; call++)
            times.Add(call);

        CallLatency latency = CallTimes.Of([times]);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(latency.P50, Is.InRange(5000, 5000 + (5000 / 64)));
            Assert.That(latency.P999, Is.InRange(9990, 10_000));
            Assert.That(
                (latency.P9999, latency.Longest, latency.LongestUndisturbed), Is.EqualTo((10_000L, 10_000L, 10_000L)));
            Assert.That(
                CallTimes.Of([times, new CallTimes()]), Is.EqualTo(latency), "threads without calls change nothing");
        }
    }

    [TestCase(1, "1,4")]
    [TestCase(2, "1,2,8")]
    [TestCase(6, "1,2,4,6,24")]
    [TestCase(16, "1,2,4,8,16,64")]
    public void Usual_numbers_of_threads_are_powers_of_two_the_processors_and_four_for_each(
        int processors, string expected) =>
        Assert.That(string.Join(',', ThreadCounts.Default(processors)), Is.EqualTo(expected));

    [Test]
    public void Ratios_are_of_one_thread_with_a_processor_for_each_and_of_the_best_peer()
    {
        int many = 4 * Environment.ProcessorCount;
        ScalingPoint one = PointOf(1, ("handle", 10), ("malloc (C)", 20), ("newer (C)", 8));
        ScalingPoint all = PointOf(many, ("handle", 60), ("malloc (C)", 80), ("newer (C)", 120));
        var result = new ScalingResult(ScalingWork.All[0], [one, all], ["malloc (C)", "newer (C)"]);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(
                result.OfOneThread(all, all.Find("handle")!), Is.EqualTo(1.5),
                "60 ns, four times a quarter of a processor, of 10");
            Assert.That(result.OfBestPeer(one, one.Find("handle")!), Is.EqualTo(1.25));
            Assert.That(result.OfBestPeer(all, all.Find("handle")!), Is.EqualTo(0.75));
        }
    }

    [Test]
    public void A_run_writes_tables_JSON_and_a_chart()
    {
        DirectoryInfo folder = Directory.CreateTempSubdirectory("scaling-");
        string json = Path.Combine(folder.FullName, "result.json"), chart = Path.Combine(folder.FullName, "chart.png");
        List<string> arguments =
            ["--threads", "2,1", "--workload", "batch64", "--operations", "2000", "--repeat", "1", "--json", json,
                "--chart", chart];

        // The C library itself, as if it were another allocator.
        string? library = _driver is null ? null : LibcPath();
        arguments.AddRange(library is null ? [] : ["--library", $"again={library}"]);
        SampleProcess run = SampleProcess.Run("Benchmarks", [.. arguments]);
        Assert.That(run.ExitCode, Is.Zero, run.Error);
        using var document = JsonDocument.Parse(File.ReadAllText(json));
        JsonElement[] points = [.. document.RootElement.GetProperty("scaling").EnumerateArray()];
        string[] names = [.. points[0].GetProperty("contestants").EnumerateArray().Select(row =>
            row.GetProperty("name").GetString()!)];
        using (Assert.EnterMultipleScope())
        {
            Assert.That(JsonShape.Of(document.RootElement), Is.EqualTo(Shape));
            Assert.That(string.Join(',', points.Select(point =>
                point.GetProperty("threads").GetInt32())), Is.EqualTo("1,2"));
            Assert.That(names, Is.SupersetOf(Everywhere));
            Assert.That(
                names, library is null ? Has.No.Member("again (C)") : Has.Member("again (C)").And.Member("malloc (C)"));
            Assert.That(run.Output, Does.Contain("p99.99").And.Contains("longest").And.Contains("voluntary"));
            Assert.That(File.ReadAllBytes(chart).Take(PngSignature.Length), Is.EqualTo(PngSignature));
        }

        folder.Delete(recursive: true);
    }

    [TestCase("--threads takes numbers from 1 to 255 with commas between, like 1,2,4, not '0'", "--threads", "0")]
    [TestCase("not 'x'", "--threads", "x")]
    [TestCase("not '1,'", "--threads", "1,")]
    [TestCase("has 1 twice in '1,1'", "--threads", "1,1")]
    [TestCase("no scaling workload 'pair'; there are mixed", "--threads", "1", "--workload", "pair")]
    [TestCase("--library takes NAME=PATH, not 'nothing'", "--threads", "1", "--library", "nothing")]
    [TestCase("there is no file '/nowhere/lib.so'", "--threads", "1", "--library", "other=/nowhere/lib.so")]
    [TestCase("there is a contestant 'mimalloc' already", "--threads", "1", "--library", "mimalloc=/nowhere/lib.so")]
    [TestCase("--aot: there is no file '/nowhere'", "--threads", "1", "--aot", "/nowhere")]
    [TestCase("--operations is for the scaling workloads: --threads is missing", "--operations", "5")]
    [TestCase("--operations takes 1 to", "--threads", "1", "--operations", "0")]
    [TestCase("not for the scaling workloads", "--threads", "1", "--profile", "somewhere")]
    public void Wrong_options_are_one_line_and_exit_code_2(string message, params string[] arguments) =>
        SampleProcess.Run("Benchmarks", arguments).MustBeBadInput(message);

    [Test]
    public void A_library_without_malloc_is_bad_input()
    {
        string library = Driver().SystemCallsLibrary;
        SampleProcess.Run("Benchmarks", "--threads", "1", "--library", $"other={library}").MustBeBadInput(
            "does not take malloc's place");
    }

    private static bool IsInOrder(CallLatency latency) =>
        latency.P50 > 0 && latency.P50 <= latency.P999 && latency.P999 <= latency.P9999
            && latency.P9999 <= latency.Longest
        && latency.LongestUndisturbed > 0 && latency.LongestUndisturbed <= latency.Longest;

    private static ScalingLoad LoadOf(ScalingWork work) => new(work, Threads, Operations, Repetitions);

    private static ScalingPoint PointOf(int threads, params (string Name, double Nanoseconds)[] rows)
    {
        var point = new ScalingPoint(LoadOf(ScalingWork.All[0]) with { Threads = threads });
        Array.ForEach(rows, row => point.Add(row.Name, Made([row.Nanoseconds])));
        return point;
    }

    private static ScalingMeasurement Made(double[] nanoseconds) =>
        new()
        {
            Workload = "mixed",
            Threads = 1,
            Nanoseconds = nanoseconds,
            Checksum = 7,
            LostBlocks = 0,
            Latency = default
        };

    private static string? LibcPath() =>
        File.ReadLines("/proc/self/maps").Select(line => line.Split(' ')[^1]).FirstOrDefault(path =>
            path.EndsWith("/libc.so.6", StringComparison.Ordinal));

    [DllImport("libc", EntryPoint = "sched_yield")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int Yield();

    private NativeDriver Driver()
    {
        if (_driver is null)
            Assert.Ignore(_driverReason);

        return _driver!;
    }

    /// <summary>A broken allocator: it hands the same four places out by turns, whether they are in use or
    /// not.</summary>
    private readonly struct ReusingAllocator : IAllocator<Address>, IContestant<ReusingAllocator>
    {
        private const int Places = 4;
        private readonly nint _start;
        private readonly int[] _count;

        // Written nowhere else, and never freed before the test's process ends.
        public ReusingAllocator() => (_start, _count) = (Room(), [0]);

        public ReusingAllocator Open() => this;

        public unsafe Address Allocate(nuint bytes, uint place) =>
            new((byte*)_start + ((nuint)(_count[0]++ % Places) * ScalingWork.MostBytes));

        public void Free(Address block)
        {
        }

        public Address Reallocate(Address block, nuint oldBytes, nuint bytes) => block;

        private static unsafe nint Room() => (nint)NativeMemory.AllocZeroed(Places, ScalingWork.MostBytes);
    }
}
