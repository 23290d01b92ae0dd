using Samples.Profiler.Showing;

namespace Engine.Tests.Reports;

/// <summary>What each key makes of the live view, without a terminal.</summary>
internal sealed class ViewStateTests
{
    [Test]
    public void Tabs_are_turned_in_a_circle_and_begin_at_their_first_row_in_their_own_order()
    {
        ViewState state = Press(new ViewState(), ConsoleKey.LeftArrow);
        Assert.That(state.Tab, Is.EqualTo(ViewTab.Frames));
        state = Press(Press(Press(state, 's'), 'r'), ConsoleKey.DownArrow);
        Assert.That((state.SortColumn, state.IsAscending, state.FirstRow), Is.EqualTo(((int?)0, true, 1)));
        state = Press(state, ConsoleKey.Tab);
        Assert.That(state, Is.EqualTo(new ViewState()));
        Assert.That(Press(state, '3').Tab, Is.EqualTo(ViewTab.Tags));
        Assert.That(Press(state, '5'), Is.EqualTo(state), "there is no fifth");
    }

    [Test]
    public void Rows_begin_at_the_first_and_a_new_order_shows_its_first()
    {
        ViewState state = Press(new ViewState { Tab = ViewTab.Arenas }, ConsoleKey.UpArrow);
        Assert.That(state.FirstRow, Is.Zero);
        state = Press(Press(state, ConsoleKey.PageDown), ConsoleKey.DownArrow);
        Assert.That(state.FirstRow, Is.EqualTo(11));
        Assert.That(Press(state, 's').FirstRow, Is.Zero);
        Assert.That(Press(state, ConsoleKey.Home).FirstRow, Is.Zero);
        Assert.That(Press(Press(state, 's'), 's').SortColumn, Is.EqualTo(1));
    }

    [TestCase('q')]
    [TestCase('Q')]
    public void Q_quits(char key) => Assert.That(Press(new ViewState(), key).HasQuit);

    [Test]
    public void The_keys_are_shown_until_any_of_three_keys_takes_them_away()
    {
        ViewState keys = Press(new ViewState(), '?');
        Assert.That(keys.ShowsKeys);
        Assert.That(Press(keys, '?').ShowsKeys, Is.False);
        Assert.That(Press(keys, ConsoleKey.Escape).ShowsKeys, Is.False);
        Assert.That(Press(keys, '2').ShowsKeys, Is.False);
    }

    [Test]
    public void A_pause_ends_as_it_began() =>
        Assert.That(Press(Press(new ViewState(), 'p'), 'p'), Is.EqualTo(new ViewState()));

    [Test]
    public void A_key_without_a_meaning_changes_nothing() =>
        Assert.That(Press(new ViewState(), 'x'), Is.EqualTo(new ViewState()));

    private static ViewState Press(ViewState state, char key) =>
        state.After(new ConsoleKeyInfo(key, 0, false, false, false));

    private static ViewState Press(ViewState state, ConsoleKey key) =>
        state.After(new ConsoleKeyInfo('\0', key, false, false, false));
}
