// A window with OpenGL or Vulkan whose frames are under the hot loop's guard, with a real driver beside them.
using System.CommandLine;
using System.Text.RegularExpressions;
using Samples.Common;
using SuperSlab;
using SuperSlab.Scenes;

namespace Samples.Window;

/// <summary>
/// Runs the loop of docs/hot-loop.md in a window: quads move, are drawn from memory of the frame, and every frame is
/// held to the rules of the plan. <c>--plant</c> breaks a rule in one frame on purpose.
/// </summary>
internal static class Program
{
    private const int Width = 320;
    private const int Height = 240;

    private static readonly Option<int> Frames =
        SampleOptions.New("--frames", "Frames under the rules.", "N", 3000).Within(1, 10_000_000);

    private static readonly Option<GraphicsApi> Api =
        SampleOptions.New("--api", "Whose functions draw: opengl or vulkan.", "NAME", GraphicsApi.OpenGL);

    private static readonly Option<Plant> Planted = SampleOptions.New(
        "--plant",
        "Break a rule in the middle: engine (memory that is not ready), driver (a texture), code (that has not run), "
        + "managed (an object), os-call (a growing arena), wait (a sleep).",
        "KIND",
        Plant.None);

    private static int Main(string[] arguments)
    {
        RootCommand command = new("""
            A window with OpenGL or Vulkan whose frames are under the hot loop's guard.

            Exit code 0: no frame broke the rules. 1: one did, or there is no window. 2: wrong options.
            """)
        {
            Frames,
            Api,
            Planted,
        };
        command.SetAction(parsed => Play(parsed.GetValue(Frames), parsed.GetValue(Api), parsed.GetValue(Planted)));
        return SampleHost.Run(command, arguments);
    }

    private static int Play(int frames, GraphicsApi api, Plant plant)
    {
        using SdlWindow window = new("SuperSlab", Width, Height, api);

        // Only what the plan has is prefaulted, so that a fault in the engine's memory can be planted.
        using EngineMemory memory = new(new() { Prefault = PrefaultPolicy.None, Pages = PageKind.Normal });
        using LongLivedArena cold = memory.CreateLongLivedArena("cold");
        using Scene scene = Scene.Load(memory, PlanFor(plant));
        using HotLoopGuard guard = new(memory, scene.Plan.HotLoop);
        GameFrames gameFrames = new(guard);
        gameFrames.Add(scene);
        using IQuadRenderer renderer = api == GraphicsApi.Vulkan
            ? new VulkanRenderer(window, World.QuadCount)
            : new OpenGLRenderer(window, World.QuadCount);
        World world = new(window, guard, scene, renderer, cold) { FrameCount = frames, Plant = plant };
        GameLoop loop = new(new() { Frames = gameFrames, BeforeFrame = window.TakeEvents });
        bool isQuiet = loop.WarmUpUntilQuiet(ref world, 6000, quietFrameCount: 300);
        world.Begin();
        try
        {
            loop.Run(ref world);
        }
        catch (HotLoopViolationException thrown)
        {
            Console.Out.WriteLine($"frame {world.Drawn} of {frames}: {thrown.Message}");
            return 1;
        }

        Console.Out.WriteLine(
            $"{world.Drawn} frames kept the rules after {loop.FrameCount - world.Drawn} frames of warm-up"
            + $"{(isQuiet ? "" : ", which did not become quiet")}. {guard.Total}");
        foreach (FramePart part in guard.Parts)
            Console.Out.WriteLine($"  {part}");

        return 0;
    }

    /// <summary>What is promised of every program, and the rule that the planted fault breaks.</summary>
    private static ScenePlan PlanFor(Plant plant)
    {
        var plan = ScenePlan.Parse("""
            {
              "name": "window",
              "prefault": "populate-write",
              "frame": { "bytesPerLane": "1 MiB" },
              "arenas": { "world": { "prewarm": { "superSlabs": 2 } } },
              "hotLoop": { "pageFaults": { "action": "throw" } }
            }
            """u8);
        HotLoopRule rule = new(0, HotLoopAction.Throw);
        HotLoopRules rules = plant switch
        {
            Plant.Driver => plan.HotLoop with { NativeFaults = rule },
            Plant.Code => plan.HotLoop with { RuntimeFaults = rule },
            Plant.Managed => plan.HotLoop with { ManagedBytes = rule },
            Plant.OSCall => plan.HotLoop with { OsCalls = rule },
            Plant.Wait => plan.HotLoop with { Waits = rule },
            _ => plan.HotLoop,
        };
        return plan with { HotLoop = rules };
    }
}

/// <summary>What one frame does that it must not.</summary>
internal enum Plant
{
    None,
    Engine,
    Driver,
    Code,
    Managed,
    OSCall,
    Wait,
}

/// <summary>Quads that move. One thread.</summary>
internal sealed unsafe class World : IGame
{
    public const int QuadCount = 2000;

    private readonly SdlWindow _window;
    private readonly HotLoopGuard _guard;
    private readonly Scene _scene;
    private readonly IQuadRenderer _renderer;
    private readonly Quad* _quads;
    private readonly byte* _untouched;
    private object? _garbage;
    private bool _hasBegun;

    public World(SdlWindow window, HotLoopGuard guard, Scene scene, IQuadRenderer renderer, LongLivedArena cold)
    {
        (_window, _guard, _scene, _renderer) = (window, guard, scene, renderer);
        _untouched = (byte*)cold.Allocate(1 << 20);
        _quads = scene.Arena.Allocate<Quad>(QuadCount);
        Random random = new(42);
        for (int index = 0; index < QuadCount; index++)
        {
            _quads[index] = new Quad
            {
                X = (random.NextSingle() * 2) - 1,
                Y = (random.NextSingle() * 2) - 1,
                HalfWidth = 0.01f,
                Color = (uint)random.Next() | 0xFF000000,
            };
        }
    }

    public required int FrameCount { get; init; }

    public required Plant Plant { get; init; }

    /// <summary>Frames drawn since <see cref="Begin"/>.</summary>
    public int Drawn { get; private set; }

    public bool IsRunning => _window.IsOpen && (!_hasBegun || Drawn < FrameCount);

    /// <summary>The warm-up is over.</summary>
    public void Begin() => _hasBegun = true;

    public void Update(long step, double seconds)
    {
        for (int index = 0; index < QuadCount; index++)
        {
            ref Quad quad = ref _quads[index];
            quad.X += (float)seconds * 0.1f * (1 + (index % 7));
            quad.X -= quad.X > 1 ? 2 : 0;
        }
    }

    public void Draw(double alpha)
    {
        Drawn += _hasBegun ? 1 : 0;
        if (Plant != Plant.None && Drawn == (FrameCount / 2) + 1)
            BreakARule();

        Span<Quad> drawn = _scene.FrameArena.Lane(0).AllocateSpan<Quad>(QuadCount);
        new ReadOnlySpan<Quad>(_quads, QuadCount).CopyTo(drawn);
        using (_guard.Exclude("driver"))
            _renderer.Draw(drawn);
    }

    private void BreakARule()
    {
        switch (Plant)
        {
            case Plant.Engine:
                _untouched[500_000] = 1;
                break;
            case Plant.Driver:
                _renderer.UploadTexture(2048);
                break;
            case Plant.Code:
                _garbage = Regex.IsMatch("a line of text", "l[a-z]+e.*t$", RegexOptions.CultureInvariant);
                break;
            case Plant.Managed:
                _garbage = new byte[100];
                break;
            case Plant.OSCall:
                _scene.Arena.Allocate(64 << 20);
                break;
            case Plant.Wait:
                Thread.Sleep(1);
                break;
        }
    }
}
