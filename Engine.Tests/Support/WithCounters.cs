using System.Diagnostics.Tracing;
using System.Reflection;
using System.Runtime.Loader;

namespace Engine.Tests.Support;

/// <summary>
/// Runs a test with memory counters on. They are a constant of the process's engine, which the other tests have off, so
/// such a test runs in copies of the engine and of this assembly, loaded anew for it: with its own statics, threads'
/// slots and tags.
/// </summary>
internal static class WithCounters
{
    private static readonly Lazy<EventListener> s_listener = new(ListenOnce);

    /// <param name="test">Captures nothing: it is looked up by its name in the copy.</param>
    public static void Run(Action test) => Invoke(test.Method, []);

    /// <summary>The same with a number.</summary>
    public static void Run(Action<int> test, int value) => Invoke(test.Method, [value]);

    private static void Invoke(MethodInfo test, object[] arguments)
    {
        string path = typeof(WithCounters).Assembly.Location;
        if (path.Length == 0 || !File.Exists(Path.Combine(AppContext.BaseDirectory, "SuperSlab.Engine.dll")))
            Assert.Ignore("The assemblies are not files here, and cannot be loaded a second time.");

        // Here they stay off, whatever the switch says from now on.
        Assert.That(MemoryCounters.AreOn, Is.False);
        s_listener.Value.DisableEvents(MemoryEventSource.Log);
        Assembly copy = new Copies().LoadFromAssemblyPath(path);
        AppContext.SetSwitch("SuperSlab.Counters", true);
        try
        {
            Type type = copy.GetType(test.DeclaringType!.FullName!, throwOnError: true)!;
            MethodInfo method = type.GetMethod(
                test.Name, BindingFlags.Static | BindingFlags.Instance | BindingFlags.NonPublic | BindingFlags.Public)!;
            object? target = method.IsStatic ? null : Activator.CreateInstance(type, nonPublic: true);
            method.Invoke(target, BindingFlags.DoNotWrapExceptions, null, arguments, null);
        }
        finally
        {
            AppContext.SetSwitch("SuperSlab.Counters", false);
        }
    }

    /// <summary>Enables the event source of the other tests before there are copies of it: a source gets ready when it is
    /// enabled for the first time, and fails where another of its name lives.</summary>
    private static EventListener ListenOnce()
    {
        EventListener listener = new Silent();
        listener.EnableEvents(MemoryEventSource.Log, EventLevel.Critical);
        Assert.That(MemoryEventSource.Log.IsEnabled());
        return listener;
    }

    private sealed class Silent : EventListener;

    private sealed class Copies : AssemblyLoadContext
    {
        protected override Assembly? Load(AssemblyName assemblyName) =>
            assemblyName.Name == "SuperSlab.Engine"
                ? LoadFromAssemblyPath(Path.Combine(AppContext.BaseDirectory, "SuperSlab.Engine.dll")) : null;
    }
}
