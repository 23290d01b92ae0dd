namespace Engine.Scenes;

/// <summary>What a <see cref="GameLoop"/> runs. A struct or a class; called on the thread that runs the loop.</summary>
public interface IGame
{
    /// <summary>Whether another frame is wanted.</summary>
    bool IsRunning { get; }

    /// <summary>Moves the world on by one step.</summary>
    /// <param name="step">The step's number, from 0.</param>
    /// <param name="seconds">The step's length, always the same.</param>
    void Update(long step, double seconds);

    /// <summary>Shows the world.</summary>
    /// <param name="alpha">How far real time has come from the last step towards the next, 0 up to 1: what is shown lies so far between both.</param>
    void Draw(double alpha);
}
