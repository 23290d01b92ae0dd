namespace Engine.Tests.Os;

/// <summary>What a test may expect of the machine that it runs on.</summary>
internal static class Machine
{
    /// <summary>A category: tests that an emulator cannot pass, because it ignores most advice about memory. Its script
    /// leaves them out.</summary>
    public const string NeedsRealKernel = "NeedsRealKernel";

    /// <summary>
    /// Set by the script that runs the tests under an emulator, which translates code in the thread that is measured,
    /// and that faults.
    /// </summary>
    public static bool IsEmulated { get; } = Environment.GetEnvironmentVariable("ENGINE_TESTS_EMULATED") == "1";
}
