// Stand-ins of what the recipes of docs/getting-started.md derive from and call, as the frameworks' manuals have them:
// none of their packages can be had from every registry.
#pragma warning disable CA1822 // members of stand-ins use no state
namespace Engine.Tests.Documents;

/// <summary>A window whose frames end by themselves, as a sample's own or Silk.NET's IWindow.</summary>
internal sealed class StandInWindow(int frames)
{
    public event Action? Load;
    public event Action<double>? Update;
    public event Action<double>? Render;

    public bool IsOpen => frames-- > 0;

    public void TakeEvents()
    {
    }

    public void SwapBuffers()
    {
    }

    public void Run()
    {
        Load?.Invoke();
        while (IsOpen)
        {
            Update?.Invoke(1.0 / 60);
            Render?.Invoke(1.0 / 60);
        }
    }
}

/// <summary>MonoGame's Microsoft.Xna.Framework.Game, as far as the recipe goes.</summary>
internal abstract class StandInGame
{
    public void RunOneFrame(bool isFirst)
    {
        if (isFirst)
            LoadContent();

        if (BeginDraw())
            EndDraw();
    }

    protected virtual void LoadContent()
    {
    }

    protected virtual bool BeginDraw() => true;

    protected virtual void EndDraw()
    {
    }
}

/// <summary>Stride's Stride.Games.GameTime.</summary>
internal sealed class GameTime;

/// <summary>Stride's Stride.Games.GameSystemBase, as far as the recipe goes.</summary>
internal abstract class StandInGameSystem
{
    public virtual void Update(GameTime time)
    {
    }

    public virtual void Draw(GameTime time)
    {
    }
}

/// <summary>Godot's Node, as far as the recipe goes.</summary>
internal abstract class StandInNode
{
    public virtual void _Process(double delta)
    {
    }
}
