using Engine.Tests.Os;
using Engine.Tests.Support;

namespace Engine.Tests;

/// <summary>
/// The life of a game's memory (<see cref="SceneLife"/>), again and again, in which the first, second, third ... call
/// of one OS function fails with one of the errors that it can have, until a life passes without reaching the failure.
/// Each failure must be a clear exception, or none where there is another way; afterwards the structures hold, the same
/// step works, and at the end nothing is left. ENGINE_FAILURES=all tries all errors of each function, otherwise the
/// first two.
/// </summary>
internal sealed class SceneFailureTests
{
    private static readonly (string Function, int[] Errors)[] s_errors =
    [
        // The errors of the manual pages that a kernel may give for private anonymous memory.
        ("mmap", [Errors.NoMemory, Errors.Invalid, Errors.Again, Errors.NotPermitted]),
        ("munmap", [Errors.NoMemory, Errors.Invalid]),
        ("mprotect", [Errors.NoMemory, Errors.Invalid, Errors.Denied]),
        ("madvise",
            [Errors.NoMemory, Errors.Invalid, Errors.Again, Errors.Interrupted, Errors.Busy, Errors.BadAddress,
            Errors.Io, Errors.Poisoned]),
        ("mremap", [Errors.NoMemory, Errors.Invalid, Errors.Again, Errors.BadAddress]),
        ("mlock", [Errors.NoMemory, Errors.Invalid, Errors.Again, Errors.NotPermitted]),
        ("munlock", [Errors.NoMemory, Errors.Invalid, Errors.NotPermitted]),

        // With pins: io_uring_setup and io_uring_register.
        ("syscall", [Errors.NoMemory, Errors.NotPermitted, Errors.Interrupted, Errors.Invalid]),
    ];

    private static readonly int s_errorsTried = Environment.GetEnvironmentVariable("ENGINE_FAILURES") == "all"
        ? int.MaxValue : 2;
    private static int s_cases;

    private static IEnumerable<TestCaseData> Failures()
    {
        foreach ((string function, int[] errors) in s_errors)
        {
            PrefaultPolicy policy = function is "mlock" or "munlock" ? PrefaultPolicy.Lock : PrefaultPolicy.Automatic;
            foreach (int errno in errors.Take(s_errorsTried))
                yield return Case(function, errno, policy, PageKind.Automatic);
        }

        foreach (string function in new[] { "mmap", "madvise", "mprotect" })
        {
            yield return Case(function, Errors.NoMemory, PrefaultPolicy.PopulateAtMapping, PageKind.TransparentHuge);
            yield return Case(function, Errors.NoMemory, PrefaultPolicy.Touch, PageKind.Normal);
        }
    }

    /// <summary>The function with the fewest calls in a life is the fast lane's.</summary>
    private static TestCaseData Case(string function, int errno, PrefaultPolicy policy, PageKind pages)
    {
        TestCaseData data = new(function, errno, policy, pages);
        return function == "munmap" && errno == Errors.NoMemory ? data : data.SetCategory(Lane.Slow);
    }

    [OneTimeSetUp]
    public void OnlyLinux() => Assume.That(OperatingSystem.IsLinux(), "the calls that are made to fail are Linux's");

    [OneTimeTearDown]
    public void Tell() =>
        TestContext.Progress.WriteLine($"{s_cases} cases of (function, call, error) in the lives of scenes");

    [TestCaseSource(nameof(Failures))]
    public void A_life_survives_the_failure_of_any_one_call(
        string function, int errno, PrefaultPolicy policy, PageKind pages) =>
        FailEachCall(function, errno, policy, pages, (context, call) => context.Fail(function, call, errno));

    [TestCase("mmap", PrefaultPolicy.PopulateAtMapping, Category = Lane.Slow)]
    [TestCase("mprotect", PrefaultPolicy.Automatic, Category = Lane.Slow)]
    [TestCase("madvise", PrefaultPolicy.Automatic, Category = Lane.Slow)]
    [TestCase("mremap", PrefaultPolicy.Automatic)]
    [TestCase("mlock", PrefaultPolicy.Lock, Category = Lane.Slow)]
    public void A_life_survives_any_one_call_that_gets_half_way(string function, PrefaultPolicy policy) =>
        FailEachCall(function, Errors.NoMemory, policy, PageKind.Automatic, (context, call) =>
            context.FailHalfDone(function, call, Errors.NoMemory));

    [TestCase(4096u)]
    [TestCase(65_536u)]
    [TestCase((2u << 20) - 4096)]
    public void A_life_goes_on_where_the_system_aligns_nothing(uint shift)
    {
        using FailingContext context = new();
        context.ShiftMaps(shift);
        using SceneLife life = new(context, PrefaultPolicy.Automatic, PageKind.Automatic);
        life.Run();
        Assert.That(life.Failures, Is.Zero);
    }

    [Test]
    public void A_life_goes_on_in_a_short_reservation()
    {
        using FailingContext context = new();
        context.LimitMaps(Size.MiB(1100));
        using SceneLife life = new(context, PrefaultPolicy.Automatic, PageKind.Automatic, reservationBytes: 0);
        life.Run();
        Assert.That(
            life.ReservationBytes, Is.EqualTo(Size.MiB(256)),
            "a quarter of what fits, so that the runtime finds address space too");
        Assert.That(life.Failures, Is.Zero);
    }

    [Test]
    public void A_reservation_that_was_asked_for_is_not_shortened()
    {
        using FailingContext context = new();
        context.LimitMaps(Size.MiB(300));
        Assert.That(
            () => new EngineMemory(new EngineMemoryOptions { ReservationBytes = Size.GiB(1), NativeContext = context }),
            Throws.TypeOf<EngineOutOfMemoryException>().With.Message.Contains(
                "refused 1 GiB of address space"));
    }

    private static void FailEachCall(
        string function, int errno, PrefaultPolicy policy, PageKind pages, Action<FailingContext, int> arm)
    {
        s_cases += FailedCalls.OfEach(
            $"{function}, errno {errno}, {policy}",
            function,
            SceneLife.DefaultReservationBytes,
            arm,
            context => new SceneLife(
                context, policy, pages, stay: function == "syscall" ? StayPolicy.Pin : StayPolicy.None));
    }

    private static class Errors
    {
        public const int NotPermitted = 1;
        public const int Interrupted = 4;
        public const int Io = 5;
        public const int Again = 11;
        public const int NoMemory = 12;
        public const int Denied = 13;
        public const int BadAddress = 14;
        public const int Busy = 16;
        public const int Invalid = 22;
        public const int Poisoned = 133;
    }
}
