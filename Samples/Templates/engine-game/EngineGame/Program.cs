// Plays a number of frames, held to the rules of the level's plan.
using EngineGame;
using SuperSlab.Scenes;

int frames = args.Length > 0 ? int.Parse(args[0]) : 600;
ScenePlan plan = ScenePlan.Load(Path.Combine(AppContext.BaseDirectory, "Plans", "first.json"));
using Session session = new(plan);
session.Play(frames);
Console.WriteLine($"{frames} frames, {session.ViolationCount} of them broke the rules; {session.World.VisibleCount} bodies in view");
foreach (string part in session.Parts)
    Console.WriteLine($"  {part}");

return session.ViolationCount == 0 ? 0 : 1;
