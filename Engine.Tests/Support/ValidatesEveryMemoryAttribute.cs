using NUnit.Framework.Interfaces;

[assembly: Engine.Tests.Support.ValidatesEveryMemory]

namespace Engine.Tests.Support;

/// <summary>
/// Each <see cref="EngineMemory"/> of a test is validated as a whole right before it is disposed, and the test fails
/// where something does not hold. Tests that damage one on purpose say so with <see cref="LeavesDamageAttribute"/>.
/// </summary>
[AttributeUsage(AttributeTargets.Assembly)]
internal sealed class ValidatesEveryMemoryAttribute : Attribute, ITestAction
{
    private Exception? _found;

    public ActionTargets Targets => ActionTargets.Test;

    public void BeforeTest(ITest test)
    {
        _found = null;
        bool leavesDamage = test.Method?.IsDefined<LeavesDamageAttribute>(inherit: true) == true
            || test.TypeInfo?.IsDefined<LeavesDamageAttribute>(inherit: true) == true;
        EngineMemory.Disposing = leavesDamage ? null : Look;
    }

    public void AfterTest(ITest test)
    {
        EngineMemory.Disposing = null;
        if (_found is not null)
            throw new AssertionException($"A memory of the test did not hold when it was disposed: {_found}", _found);
    }

    private void Look(EngineMemory memory)
    {
        try
        {
            memory.Validate();
        }
        catch (EngineMemoryException damage)
        {
            _found = damage;
        }
    }
}

/// <summary>The test damages a memory on purpose, or disposes it while others use it: it is not validated at its
/// end.</summary>
/// <param name="why">For whoever reads the test.</param>
[AttributeUsage(AttributeTargets.Method | AttributeTargets.Class)]
internal sealed class LeavesDamageAttribute(string why) : Attribute
{
    public string Why => why;
}
