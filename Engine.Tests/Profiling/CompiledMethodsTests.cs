namespace Engine.Tests.Profiling;

/// <summary>The runtime's own list of compiled methods; that it is found shows in the call sites of the faults.</summary>
internal sealed class CompiledMethodsTests
{
    [TestCase("void [RandomMixed] Samples.RandomMixed.MixedLoop::Run(!!0&,uint64)[Optimized]", "Samples.RandomMixed.MixedLoop.Run")]
    [TestCase("class [A]A.B`1<int32> [C] D.E::.cctor()[Tier0]", "D.E..cctor")]
    [TestCase("stub GenerateLookupStub", "stub GenerateLookupStub")]
    public void The_runtimes_description_is_shortened_to_the_name(string text, string name) =>
        Assert.That(CompiledMethods.Shorten(text), Is.EqualTo(name));
}
