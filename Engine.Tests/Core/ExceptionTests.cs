using Engine.Core;

namespace Engine.Tests.Core;

internal sealed class ExceptionTests
{
    [Test]
    public void Running_out_is_an_OutOfMemoryException() =>
        Assert.That(new EngineOutOfMemoryException("gone"), Is.InstanceOf<OutOfMemoryException>().With.Message.EqualTo("gone"));

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
