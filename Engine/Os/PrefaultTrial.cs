namespace SuperSlab;

/// <summary>
/// What asking for a policy and a kind of pages comes to on the running machine: the engine's own table and its own fallback,
/// tried on one SuperSlab that is given back at once.
/// </summary>
/// <param name="Policy">The policy that was asked for.</param>
/// <param name="Pages">The kind of pages that was asked for.</param>
/// <param name="IsObtained">Whether the SuperSlab got both, and not the next best.</param>
/// <param name="Description">What was tried and what it said, as <see cref="EngineMemory.PrefaultDescription"/> would tell it.</param>
public sealed record PrefaultTrial(PrefaultPolicy Policy, PageKind Pages, bool IsObtained, string Description)
{
    private const nuint SuperSlabBytes = 2 << 20;

    /// <summary>Tries it. <c>Automatic</c> is obtained whatever it comes to. Any thread; not in the hot loop.</summary>
    /// <exception cref="EngineMemoryException">The system lacks a function without which nothing works, or refused to take the address space back.</exception>
    public static PrefaultTrial Run(PrefaultPolicy policy, PageKind pages)
    {
        VirtualMemory os = VirtualMemory.Create();
        if (!os.TryReserve(SuperSlabBytes, SuperSlabBytes, out nint address))
            return new PrefaultTrial(policy, pages, false, "the system refused 2 MiB of address space");

        try
        {
            var prefaulter = new Prefaulter(os, policy, pages);
            PrefaultReport report = prefaulter.Provide(address, SuperSlabBytes, 1, null, CancellationToken.None);
            bool isPolicy = policy == PrefaultPolicy.Automatic || policy == report.Policy;
            bool isKind = pages == PageKind.Automatic || pages == report.Pages;
            return new PrefaultTrial(policy, pages, isPolicy && isKind, prefaulter.Describe());
        }
        catch (EngineOutOfMemoryException error)
        {
            return new PrefaultTrial(policy, pages, false, error.Message);
        }
        finally
        {
            os.Release(address, SuperSlabBytes);
        }
    }
}
