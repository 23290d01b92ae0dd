namespace Engine.Tests.Api;

internal sealed class ExceptionTests
{
    [Test]
    public void Running_out_is_an_EngineMemoryException() =>
        Assert.That(
            new EngineOutOfMemoryException("gone"),
            Is.InstanceOf<EngineMemoryException>().With.Message.EqualTo("gone"));

    [Test]
    public void Those_of_scenes_say_something_without_what_they_are_about_and_keep_their_cause()
    {
        InvalidOperationException cause = new("cause");
        Assert.That(new ScenePlanException().Message, Is.Not.Empty);
        Assert.That(new ScenePlanException("a").Errors, Is.Empty);
        Assert.That(new ScenePlanException("a", cause).InnerException, Is.SameAs(cause));
        Assert.That(new HotLoopViolationException().Message, Is.Not.Empty);
        Assert.That(new HotLoopViolationException("a").Violation, Is.Null);
        Assert.That(new HotLoopViolationException("a", cause).InnerException, Is.SameAs(cause));
    }

    [Test]
    public void Both_say_something_without_a_message_and_keep_their_cause()
    {
        InvalidOperationException cause = new("cause");
        Assert.That(new EngineMemoryException().Message, Is.Not.Empty);
        Assert.That(new EngineOutOfMemoryException().Message, Is.Not.Empty);
        Assert.That(new EngineMemoryException("a", cause).InnerException, Is.SameAs(cause));
        Assert.That(new EngineOutOfMemoryException("a", cause).InnerException, Is.SameAs(cause));
    }
}
