using Samples.GameReplay.Contestants;
using Samples.GameReplay.Scripts;
using Samples.GameReplay.Touching;
using SuperSlab.Diagnostics;

namespace Samples.GameReplay.Playing;

/// <summary>
/// All players of a trace, and the conductor that lets them play step by step. Between two steps all have met, and the script
/// may be written anew.
/// </summary>
internal sealed class Ensemble<TContestant, TLane, TTouch> : IDisposable
    where TContestant : class, IContestant<TContestant, TLane>
    where TLane : ILane, allows ref struct
    where TTouch : struct, ITouch
{
    private readonly Progress _progress;
    private readonly Meeting _meeting;
    private readonly Player<TContestant, TLane, TTouch>[] _players;

    /// <summary>Starts the threads and waits until they are ready.</summary>
    public Ensemble(int players, bool recordsFaults)
    {
        _progress = new Progress(players);
        _meeting = new Meeting(_progress);
        _meeting.Expect(players);
        _players = new Player<TContestant, TLane, TTouch>[players];
        for (int number = 0; number < players; number++)
        {
            _players[number] = new Player<TContestant, TLane, TTouch>(number, players, recordsFaults, _progress, _meeting);
        }

        _meeting.Wait();
    }

    /// <summary>What names the owners of the players' page faults from the next step on; null, the default, is nothing.</summary>
    public FaultAttribution? Faults { get; set; }

    /// <summary>Plays one step and gives what was measured. Threads that have nothing to do in it are left asleep.</summary>
    public StepFigures Play(StepScript script, TContestant contestant)
    {
        _meeting.ThrowOnFailure();
        int active = CountActive(script);
        if (active == 0)
        {
            return new StepFigures(0, 0, 0, 0, 0, 0);
        }

        _progress.Reset();
        _meeting.Expect(active);
        long callsBefore = contestant.OsCalls;
        int collectionsBefore = GC.CollectionCount(0);
        for (int number = 0; number < script.ThreadCount; number++)
        {
            if (script.Operations(number).Count > 0)
            {
                _players[number].Play(contestant, script.Operations(number), Faults);
            }
        }

        _meeting.Wait();
        var conductor = new StepFigures(
            0, 0, 0, contestant.OsCalls - callsBefore, 0, GC.CollectionCount(0) - collectionsBefore);
        _meeting.ThrowOnFailure();
        return conductor + Sum(script);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (Player<TContestant, TLane, TTouch> player in _players)
        {
            player.Dispose();
        }

        _meeting.Dispose();
    }

    private static int CountActive(StepScript script)
    {
        int active = 0;
        for (int number = 0; number < script.ThreadCount; number++)
        {
            active += script.Operations(number).Count > 0 ? 1 : 0;
        }

        return active;
    }

    private StepFigures Sum(StepScript script)
    {
        var sum = new StepFigures(0, 0, 0, 0, 0, 0);
        for (int number = 0; number < script.ThreadCount; number++)
        {
            if (script.Operations(number).Count > 0)
            {
                sum += _players[number].Figures;
            }
        }

        return sum;
    }
}
