namespace Samples.GameReplay.Scripts;

/// <summary>Who made or resized a block last, and as which operation of which step.</summary>
internal struct LastUse
{
    public long Step;
    public int Thread;
    public int Operation;
}
