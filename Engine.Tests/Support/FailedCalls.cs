using Engine.Tests.Os;

namespace Engine.Tests.Support;

/// <summary>A life of a memory in which calls of the system may fail.</summary>
internal interface IFailingLife : IDisposable
{
    /// <summary>Steps that failed and were done again.</summary>
    int Failures { get; }

    /// <summary>Lives, from the memory's making to its disposal.</summary>
    void Run();
}

/// <summary>
/// A life again and again, in which the first, the second, the third ... call of one function fails, until a life
/// passes without reaching the failure.
/// </summary>
internal static class FailedCalls
{
    /// <summary>Fails one call after the other; no life may leave memory or addresses behind.</summary>
    /// <param name="title">What is made to fail, for the messages.</param>
    /// <param name="function">The function whose calls fail.</param>
    /// <param name="reservationBytes">Address space of one life.</param>
    /// <param name="arm">Makes the Nth call fail.</param>
    /// <param name="make">Makes a life.</param>
    /// <returns>How many calls there are in a life.</returns>
    public static int OfEach(
        string title,
        string function,
        nuint reservationBytes,
        Action<FailingContext, int> arm,
        Func<FailingContext, IFailingLife> make)
    {
        using (FailingContext context = new())
        using (IFailingLife first = make(context))
            first.Run(); // compiled, and the managed heap has its size

        nuint resident = ResidentMemory.Settled();
        ulong addressSpace = MemoryMap.TotalBytes();
        int call = 1;
        int failures = 0;
        for (bool reached = true; reached; call++)
        {
            using FailingContext context = new();
            arm(context, call);
            using IFailingLife life = make(context);
            try
            {
                life.Run();
            }
            catch (Exception exception)
            {
                throw new AssertionException($"Call {call} failed ({title}), and then: {exception}", exception);
            }

            failures += life.Failures;
            reached = context.CallsOf(function) >= call;
            ulong left = MemoryMap.TotalBytes();
            Assert.That(left, Is.LessThan(addressSpace + (reservationBytes / 2)), $"address space after call {call}");
        }

        Assert.That(ResidentMemory.SettledMiBSince(resident), Is.LessThan(ResidentMemory.NoiseMiB));
        int calls = call - 2;
        TestContext.Out.WriteLine($"{title}: {calls} calls in a life, {failures} of which made something fail");
        Assert.That(calls, Is.Positive, "the function is called at all");
        return calls;
    }
}
