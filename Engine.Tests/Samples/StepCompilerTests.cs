using Samples.GameReplay.Scripts;
using Samples.GameReplay.Tracing;

namespace Engine.Tests.Samples;

/// <summary>Where threads wait for each other, and where they do not.</summary>
[TestFixture]
internal sealed unsafe class StepCompilerTests
{
    [Test]
    public void A_free_waits_for_the_thread_that_made_the_block_in_the_same_step_and_only_then()
    {
        var trace = new TraceWriter();
        ulong older = trace.Alloc(10);
        trace.Frame();
        ulong first = trace.Alloc(20);
        ulong second = trace.Alloc(30);
        trace.Thread(1);
        trace.Free(older);
        trace.Free(second);
        trace.Free(first);
        trace.Frame();
        string[] expected = ["Loading 0:[Allocate]", "Frame 0:[Allocate Allocate!] 1:[Free Wait(0,2) Free Free]"];
        Assert.That(Compile(trace), Is.EqualTo(expected));
    }

    [Test]
    public void A_chain_of_resizes_waits_link_by_link()
    {
        var trace = new TraceWriter();
        trace.Frame();
        ulong block = trace.Alloc(10);
        trace.Thread(1);
        trace.Realloc(block, 500);
        trace.Thread(0);
        trace.Realloc(block, 5000);
        trace.Thread(1);
        trace.Free(block);
        trace.Frame();
        Assert.That(
            Compile(trace)[1],
            Is.EqualTo("Frame 0:[Allocate! Wait(1,2) Resize!] 1:[Wait(0,1) Resize! Wait(0,3) Free]"));
    }

    [Test]
    public void Loading_is_cut_into_steps_and_frames_are_not()
    {
        var trace = new TraceWriter();
        const int Records = (2 * StepCompiler.LoadingStepRecords) + 10;
        for (int part = 0; part < 3; part++)
        {
            for (int record = 0; record < Records; record++)
                trace.Alloc(8);

            if (part < 2)
                trace.Frame();
        }

        using var reader = new TraceReader(new MemoryStream(trace.ToFile()), "t");
        var compiler = new StepCompiler(reader);
        var script = new StepScript();
        List<(StepKind, int)> steps = [];
        while (compiler.TryCompile(script))
            steps.Add((script.Kind, script.Operations(0).Count));

        const int Full = StepCompiler.LoadingStepRecords;
        Assert.That(steps, Is.EqualTo(new[]
        {
            (StepKind.Loading, Full), (StepKind.Loading, Full), (StepKind.Loading, 10),
            (StepKind.Frame, Records),
            (StepKind.Unloading, Full), (StepKind.Unloading, Full), (StepKind.Unloading, 10),
        }));
    }

    private static List<string> Compile(TraceWriter trace)
    {
        using var reader = new TraceReader(new MemoryStream(trace.ToFile()), "t");
        var compiler = new StepCompiler(reader);
        var script = new StepScript();
        List<string> steps = [];
        while (compiler.TryCompile(script))
        {
            steps.Add(script.Kind + string.Concat(Enumerable.Range(0, script.ThreadCount).Select(thread =>
                Text(script, thread))));
        }

        return steps;
    }

    private static string Text(StepScript script, int thread)
    {
        List<string> words = [];
        OperationList list = script.Operations(thread);
        for (int index = 0; index < list.Count; index++)
        {
            Operation operation = list.First[index];
            string wait = operation.Kind == OperationKind.Wait ? $"({operation.OtherThread},{operation.Bytes})" : "";
            words.Add(operation.Kind + wait + (operation.Publishes ? "!" : ""));
        }

        return words.Count == 0 ? "" : $" {thread}:[{string.Join(' ', words)}]";
    }
}
