namespace Engine.Tests.Platform;

/// <summary>What a test may expect of the machine that it runs on.</summary>
internal static class Machine
{
    /// <summary>
    /// Set by the script that runs the tests under an emulator: it translates code in the thread that is measured, which
    /// faults, and it ignores most advice about memory.
    /// </summary>
    public static bool IsEmulated { get; } = Environment.GetEnvironmentVariable("ENGINE_TESTS_EMULATED") == "1";

    public static void AssumeRealKernel() => Assume.That(IsEmulated, Is.False, "an emulator ignores advice about memory");
}
