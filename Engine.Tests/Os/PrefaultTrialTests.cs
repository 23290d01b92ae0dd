namespace Engine.Tests.Os;

/// <summary>A trial says what was really got, and why it was not what was asked for.</summary>
internal sealed class PrefaultTrialTests
{
    [Test]
    public void Automatic_is_always_obtained()
    {
        PrefaultTrial trial = PrefaultTrial.Run(PrefaultPolicy.Automatic, PageKind.Automatic);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(trial.IsObtained, Is.True);
            Assert.That(trial.Description, Does.Contain("ok"));
        }
    }

    [Test]
    public void What_every_system_has_is_obtained_on_normal_pages(
        [Values(PrefaultPolicy.None, PrefaultPolicy.Touch, PrefaultPolicy.Clear)] PrefaultPolicy policy)
    {
        PrefaultTrial trial = PrefaultTrial.Run(policy, PageKind.Normal);
        Assert.That(trial.IsObtained, Is.True, trial.Description);
    }

    [Test]
    [Platform("Linux")]
    public void What_the_system_does_not_have_is_not_obtained_and_the_description_says_so()
    {
        PrefaultTrial trial = PrefaultTrial.Run(PrefaultPolicy.Prefetch, PageKind.Normal);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(trial.IsObtained, Is.False);
            Assert.That(trial.Description, Does.Contain("Prefetch: not on this system"));
        }
    }

    [Test]
    [Platform("Linux")]
    public void What_the_table_does_not_combine_is_not_obtained_and_the_description_says_so()
    {
        PrefaultTrial trial = PrefaultTrial.Run(PrefaultPolicy.Touch, PageKind.ExplicitHuge);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(trial.IsObtained, Is.False);
            Assert.That(trial.Description, Does.StartWith("touch: not with MAP_HUGETLB; "));
        }
    }
}
