namespace Engine.Checking;

/// <summary>Who did something with a block, and when.</summary>
/// <param name="Number">The arena's calls are numbered in their order.</param>
/// <param name="Thread">The thread's name, or its number.</param>
/// <param name="Tag">The allocation tag in force, or null.</param>
/// <param name="CallStack">Null where call stacks are not recorded.</param>
internal sealed record CheckedCall(long Number, string Thread, string? Tag, string? CallStack)
{
    public static CheckedCall Now(long number, string? tag, bool withCallStack)
    {
        Thread thread = System.Threading.Thread.CurrentThread;
        string name = string.IsNullOrEmpty(thread.Name) ? $"thread {thread.ManagedThreadId}" : $"thread '{thread.Name}'";
        return new CheckedCall(number, name, tag, withCallStack ? Environment.StackTrace : null);
    }

    public override string ToString() =>
        $"by {Thread} in call {Number}{(Tag is null ? "" : $", tag '{Tag}'")}{(CallStack is null ? "" : $"{Environment.NewLine}{CallStack}{Environment.NewLine}")}";
}
