using System.Runtime.ExceptionServices;
using Engine.Tests.Support;

namespace Engine.Tests.Exploring;

/// <summary>
/// Runs two threads in every order of their steps. A step is an access to what they share, before which they call
/// <see cref="Step"/>: here by way of the <see cref="Volatile"/> and <see cref="Interlocked"/> of this folder, against
/// which the engine's source is compiled. One thread runs at a time. The orders are gone through like a tree: each run
/// repeats the choices of the one before up to the last that has another alternative. A limit bounds
/// the preemptions of an order: changes to the other thread while the first could go on. Both threads stay on one core,
/// where the one's sleep is the other's turn: on two cores, a busy machine lets one wait for the other at each change.
/// </summary>
internal sealed unsafe class Schedule
{
    private const int Nobody = -1;

    [ThreadStatic]
    private static Turn? t_turn;

    private readonly List<int> _choices = [];
    private readonly bool[] _ended = new bool[2];
    private readonly int _mostPreemptions;

    /// <summary>Whose turn it is; the other sleeps on it.</summary>
    private readonly int* _turn;
    private Exception? _failure;
    private int _step;
    private int _preemptions;
    private Action? _second;

    private Schedule(int mostPreemptions, int* turn)
    {
        _mostPreemptions = mostPreemptions;
        _turn = turn;
    }

    /// <summary>Called before each access. Does nothing on a thread that is not explored.</summary>
    public static void Step()
    {
        if (t_turn is { } turn)
            turn.Schedule.ChooseAndWait(turn.Number);
    }

    /// <summary>Runs both threads in all orders.</summary>
    /// <param name="mostPreemptions">The most preemptions in one order.</param>
    /// <param name="begin">Makes the state of a run, and gives what the two threads do and what is checked when they
    /// have ended.</param>
    /// <returns>How many orders there are.</returns>
    public static int Explore(int mostPreemptions, Func<(Action First, Action Second, Action Check)> begin)
    {
        int turn = Nobody;
        Schedule schedule = new(mostPreemptions, &turn);
        using OneCore core = new();
        Thread other = new(schedule.RunSecond);
        other.Start();
        int runs = 0;
        try
        {
            do
            {
                (Action first, schedule._second, Action check) = begin();
                schedule.Run(first);
                check();
                runs++;
            }
            while (schedule.Advance());
            return runs;
        }
        finally
        {
            schedule._second = null;
            schedule.Give(1);
            other.Join();
        }
    }

    private void Run(Action first)
    {
        _step = _preemptions = 0;
        _ended[0] = _ended[1] = false;
        t_turn = new Turn(this, 0);
        Choose(Nobody);
        WaitForTurn(0);
        RunThread(0, first);
        WaitForTurn(0); // the other has ended as well
        if (_failure is not null)
            ExceptionDispatchInfo.Throw(_failure);
    }

    /// <summary>The second thread, run after run.</summary>
    private void RunSecond()
    {
        using OneCore core = new();
        while (true)
        {
            WaitForTurn(1);
            if (_second is not { } second)
                return;

            t_turn = new Turn(this, 1);
            RunThread(1, second);
        }
    }

    private void RunThread(int number, Action work)
    {
        try
        {
            work();
        }
        catch (Exception exception)
        {
            _failure ??= exception;
        }

        t_turn = null;
        _ended[number] = true;
        Give(number == 0 && !_ended[1] ? 1 : 0);
    }

    private void ChooseAndWait(int number)
    {
        Choose(number);
        WaitForTurn(number);
    }

    /// <summary>Decides who takes the next step. 0 goes on with the thread that runs, 1 changes.</summary>
    private void Choose(int number)
    {
        bool isOpen = number == Nobody || (!_ended[1 - number] && _preemptions < _mostPreemptions);
        int choice = 0;
        if (isOpen)
        {
            if (_step == _choices.Count)
                _choices.Add(0);

            choice = _choices[_step++];
        }

        _preemptions += number == Nobody ? 0 : choice;
        Give(number == Nobody ? choice : choice == 0 ? number : 1 - number);
    }

    private void Give(int turn)
    {
        if (System.Threading.Interlocked.Exchange(ref *_turn, turn) != turn)
            AddressWait.WakeOne(_turn);
    }

    private void WaitForTurn(int number)
    {
        for (int turn; (turn = System.Threading.Volatile.Read(ref *_turn)) != number;)
            AddressWait.Wait(_turn, turn);
    }

    /// <summary>The next order; false when there is none.</summary>
    private bool Advance()
    {
        _choices.RemoveRange(_step, _choices.Count - _step);
        while (_choices.Count != 0 && _choices[^1] == 1)
            _choices.RemoveAt(_choices.Count - 1);

        if (_choices.Count == 0)
            return false;

        _choices[^1] = 1;
        return true;
    }

    private sealed record Turn(Schedule Schedule, int Number);
}
