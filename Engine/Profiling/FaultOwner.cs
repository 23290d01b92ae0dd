using Engine.Arenas;

namespace Engine.Profiling;

/// <summary>Whose memory a page fault was in. Equal owners are equal values, so that counting them needs no text.</summary>
/// <param name="Kind">One of the kinds of <see cref="FaultKinds"/>.</param>
/// <param name="Name">A thread's, a file's or a mapping's name; null in the engine's memory.</param>
/// <param name="Part">Which part of the engine's memory.</param>
/// <param name="Toucher">Whose code touched it, where the memory itself has no name.</param>
/// <param name="IsByKernel">Whether the kernel touched it, in a system call.</param>
internal readonly record struct FaultOwner(string Kind, string? Name, AddressOwner? Part = null, string? Toucher = null, bool IsByKernel = false)
{
    /// <summary>The name as reports show it.</summary>
    public string Describe()
    {
        string arena = Part?.Arena is { } owner ? $"arena '{owner.Name}', " : "";
        string toucher = Toucher is null ? "" : $", touched by {Toucher}";
        return $"{arena}{Part?.Describe() ?? Name}{toucher}{(IsByKernel ? ", touched by the kernel in a system call" : "")}";
    }
}
