namespace Engine.Tests.Os;

/// <summary>Platforms on which nothing works are refused in a sentence.</summary>
internal sealed class ThisPlatformTests
{
    [TestCase(8, false, null)]
    [TestCase(4, false, "32-bit addresses: run it as a 64-bit process")]
    [TestCase(4, true, "which WebAssembly cannot")]
    [TestCase(8, true, "which WebAssembly cannot")]
    public void A_process_without_room_for_a_reservation_is_refused(
        int pointerBytes, bool isWebAssembly, string? reason)
    {
        string? why = ThisPlatform.WhyUnsupported(pointerBytes, isWebAssembly);
        Assert.That(why, reason is null ? Is.Null : Does.Contain(reason));
    }
}
