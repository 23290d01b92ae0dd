namespace Engine.Tests.Documents;

/// <summary>The code of docs/checks.md.</summary>
internal sealed class ChecksSnippets
{
    [Test]
    public void Full_checks_remember_call_stacks_and_report_what_is_left()
    {
        TextWriter errors = Console.Error;
        using StringWriter written = new();
        Console.SetError(written);
        try
        {
            using EngineMemory memory = new(new EngineMemoryOptions
            {
                Checks = MemoryChecks.Full,                                         // or ENGINE_MEMORY_CHECKS=full
                CheckSettings = new CheckSettings { CallStacks = true, Report = Console.Error.WriteLine },
            });
            using LongLivedArena arena = memory.CreateLongLivedArena("left");
            arena.AllocateSpan<int>(12);
        }
        finally
        {
            Console.SetError(errors);
        }

        Assert.That(written.ToString(), Does.Contain("Arena 'left' was disposed with 1 live block of 48 bytes"));
    }
}
