namespace Engine.Tests.Diagnostics;

/// <summary>How much of the memory that a user may lock one thread's ring takes.</summary>
internal sealed class RingLimitTests
{
    [TestCase(516u * 1024 * 2, 0u, 512u * 1024)]
    [TestCase(516u * 1024 * 2, 516u * 1024, 256u * 1024)]
    [TestCase(516u * 1024 * 2, 900u * 1024, 64u * 1024)]
    [TestCase(516u * 1024 * 2, 516u * 1024 * 2, 16u * 1024)]
    [TestCase(516u * 1024 * 2, 516u * 1024 * 3, 16u * 1024)]
    [TestCase(516u * 1024 * 16, 0u, 2u << 20)]
    public void A_ring_is_a_share_of_what_the_user_may_still_lock(uint limit, uint taken, uint ring) =>
        Assert.That(new RingLimit(limit).Share(2 << 20, taken), Is.EqualTo((nuint)ring));

    [Test]
    public void Without_a_limit_a_ring_is_what_was_asked_for() =>
        Assert.That(new RingLimit(nuint.MaxValue).Share(64 << 20, 100), Is.EqualTo((nuint)(64 << 20)));
}
