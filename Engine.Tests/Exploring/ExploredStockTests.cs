using System.Runtime.InteropServices;
using Engine.Tests.Support;

namespace Engine.Tests.Exploring;

/// <summary>
/// The exchange of magazines, its own source compiled against <see cref="Schedule"/>: in no order of two threads' steps
/// is a magazine lost or with two owners. Each thread begins with a magazine in its hands, and the stock with three.
/// </summary>
internal sealed unsafe class ExploredStockTests
{
    private const int Initial = 3;
    private const int Magazines = Initial + 2;
    private static readonly Step[] s_steps = Enum.GetValues<Step>();

    private byte* _memory;
    private ulong* _word;

    private enum Step
    {
        /// <summary>The magazine that has been in the thread's hands longest goes into the stock.</summary>
        Push,
        Pop,

        /// <summary>Half of the stock, as a thread takes it that has none.</summary>
        Steal,

        /// <summary>All of it, as a trim does.</summary>
        Reclaim,
    }

    [SetUp]
    public void Allocate()
    {
        // The first is not used, so the numbers that are printed begin at 1.
        _memory = (byte*)NativeMemory.AlignedAlloc((Magazines + 1) * Magazine.Bytes, Magazine.Bytes);
        _word = (ulong*)NativeMemory.AllocZeroed(sizeof(ulong));
    }

    [TearDown]
    public void Free()
    {
        NativeMemory.AlignedFree(_memory);
        NativeMemory.Free(_word);
    }

    [Test]
    [Category(Lane.Slow)]
    public void One_step_interrupted_anywhere_by_four_keeps_every_magazine()
    {
        int orders = 0;
        foreach (Step own in s_steps)
        {
            foreach (Step[] others in Programs(4))
                orders += Explore([own], others, mostPreemptions: 3);
        }

        TestContext.Out.WriteLine($"{orders} orders");
        Assert.That(orders, Is.GreaterThan(10_000));
    }

    [Test]
    [Category(Lane.Slow)]
    public void Two_steps_against_two_keep_every_magazine_however_they_interrupt_each_other_up_to_four_times()
    {
        int orders = 0;
        foreach (Step[] first in Programs(2))
        {
            foreach (Step[] second in Programs(2))
                orders += Explore(first, second, mostPreemptions: 4);
        }

        TestContext.Out.WriteLine($"{orders} orders");
        Assert.That(orders, Is.GreaterThan(10_000));
    }

    [Test]
    public void Four_steps_against_four_keep_every_magazine_however_they_interrupt_each_other_up_to_three_times()
    {
        Random random = new(TestRandom.Seed());
        int orders = 0;
        for (int pair = 0; pair < 20; pair++)
            orders += Explore(Program(random), Program(random), mostPreemptions: 3);

        TestContext.Out.WriteLine($"{orders} orders");

        static Step[] Program(Random random) => [.. Enumerable.Range(0, 4).Select(_ =>
            s_steps[random.Next(s_steps.Length)])];
    }

    private static IEnumerable<Step[]> Programs(int length) =>
        Enumerable.Range(0, (int)Math.Pow(s_steps.Length, length)).Select(number =>
        Enumerable.Range(0, length).Select(place =>
            s_steps[number / (int)Math.Pow(s_steps.Length, place) % s_steps.Length]).ToArray());

    private int Explore(Step[] first, Step[] second, int mostPreemptions)
    {
        return Schedule.Explore(mostPreemptions, () =>
        {
            *_word = 0;
            MagazineStock stock = new(_word, (nint)_memory);
            Queue<nint> ofFirst = new([At(Initial + 1)]);
            Queue<nint> ofSecond = new([At(Initial + 2)]);
            for (int number = 1; number <= Initial; number++)
                stock.TryPush((Magazine*)At(number), MagazineStock.MaximumCount);

            return (() => Run(stock, first, ofFirst), () => Run(stock, second, ofSecond), () =>
                Check(stock, ofFirst, ofSecond, first, second));
        });
    }

    private nint At(int number) => (nint)(_memory + ((nuint)number * Magazine.Bytes));

    private static void Run(MagazineStock stock, Step[] program, Queue<nint> hands)
    {
        foreach (Step step in program)
        {
            if (step == Step.Push)
            {
                if (hands.TryDequeue(out nint magazine))
                    stock.TryPush((Magazine*)magazine, MagazineStock.MaximumCount);

                continue;
            }

            int most = step == Step.Pop ? 1 : step == Step.Steal ? (stock.Count + 1) / 2 : MagazineStock.MaximumCount;
            Magazine* taken = stock.TryTake(most, out int count);
            for (int index = 0; taken != null && index < count; index++, taken = index < count ? taken->Next : taken)
                hands.Enqueue((nint)taken);
        }
    }

    private void Check(MagazineStock stock, Queue<nint> ofFirst, Queue<nint> ofSecond, Step[] first, Step[] second)
    {
        List<nint> found = [.. ofFirst, .. ofSecond];
        Magazine* full = stock.Top;
        for (int left = stock.Count; left > 0 && full != null; left--, full = full->Next)
            found.Add((nint)full);

        Assert.That(
            found.Order().SequenceEqual(Enumerable.Range(1, Magazines).Select(At)),
            Is.True,
            () => $"{string.Join(' ', first)} | {string.Join(' ', second)}: found "
                + $"{string.Join(' ', found.Select(address => (address - (nint)_memory) / 1024))}");
    }
}
