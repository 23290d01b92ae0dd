using NUnit.Framework;
using SuperSlab.Scenes;

namespace EngineGame.Tests;

internal sealed class FrameTests
{
    [Test]
    public void Frames_keep_the_rules_of_the_plan()
    {
        ScenePlan plan = ScenePlan.Load(Path.Combine(AppContext.BaseDirectory, "Plans", "first.json"));
        using Session session = new(plan, isPaced: false);
        session.Play(300);
        Assert.That(session.World.VisibleCount, Is.InRange(1, 9_999));
        Assert.That(session.ViolationCount, Is.Zero);
    }
}
