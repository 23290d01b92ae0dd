using Microsoft.CodeAnalysis;

namespace SuperSlab.Analyzers;

/// <summary>The types of SuperSlab.Engine that the rules know, looked up once for each compilation.</summary>
internal sealed class EngineTypes
{
    private readonly HashSet<ISymbol> _scopes;
    private readonly HashSet<ISymbol> _containers;
    private readonly HashSet<ISymbol> _spans;
    private readonly HashSet<ISymbol> _threadStarters;
    private readonly Dictionary<ISymbol, string> _brackets = new(SymbolEqualityComparer.Default);

    private EngineTypes(Compilation compilation, INamedTypeSymbol lane)
    {
        Assembly = lane.ContainingAssembly;
        Lane = lane;
        Arena = compilation.GetTypeByMetadataName("SuperSlab.LongLivedArena");
        SmallArena = compilation.GetTypeByMetadataName("SuperSlab.SmallArena");
        ArenaHandle = compilation.GetTypeByMetadataName("SuperSlab.ArenaHandle");
        ArenaRef = compilation.GetTypeByMetadataName("SuperSlab.ArenaRef");
        FrameArena = compilation.GetTypeByMetadataName("SuperSlab.FrameArena");
        FrameScope = compilation.GetTypeByMetadataName("SuperSlab.FrameScope");
        GameFrame = compilation.GetTypeByMetadataName("SuperSlab.Scenes.GameFrame");
        GameFrames = compilation.GetTypeByMetadataName("SuperSlab.Scenes.GameFrames");
        Guard = compilation.GetTypeByMetadataName("SuperSlab.Scenes.HotLoopGuard");
        GuardedThread = compilation.GetTypeByMetadataName("SuperSlab.Scenes.GuardedThread");
        Game = compilation.GetTypeByMetadataName("SuperSlab.Scenes.IGame");
        RangeJob = compilation.GetTypeByMetadataName("SuperSlab.Scenes.IRangeJob");
        List = compilation.GetTypeByMetadataName("SuperSlab.Collections.NativeList`1");
        Stream = compilation.GetTypeByMetadataName("SuperSlab.Collections.NativeStream");
        _scopes = Set(
            FrameScope,
            GameFrame,
            compilation.GetTypeByMetadataName("SuperSlab.TagScope"),
            compilation.GetTypeByMetadataName("SuperSlab.Scenes.FramePartScope"));
        _containers = Set(
            [.. (List?.ContainingNamespace.GetTypeMembers() ?? []).Where(type =>
                type.IsValueType && type.AllInterfaces.Any(implemented =>
                    implemented.SpecialType == SpecialType.System_IDisposable))]);
        _spans = Set(
            compilation.GetTypeByMetadataName("System.Span`1"),
            compilation.GetTypeByMetadataName("System.ReadOnlySpan`1"),
            compilation.GetTypeByMetadataName("CommunityToolkit.HighPerformance.Span2D`1"),
            compilation.GetTypeByMetadataName("CommunityToolkit.HighPerformance.ReadOnlySpan2D`1"));
        _threadStarters = Set(
            compilation.GetTypeByMetadataName("System.Threading.Thread"),
            compilation.GetTypeByMetadataName("System.Threading.ThreadPool"),
            compilation.GetTypeByMetadataName("System.Threading.Timer"),
            compilation.GetTypeByMetadataName("System.Threading.Tasks.Task"),
            compilation.GetTypeByMetadataName("System.Threading.Tasks.TaskFactory"),
            compilation.GetTypeByMetadataName("System.Threading.Tasks.Parallel"));
        AddBrackets("BeginFrame", GameFrames, Guard);
        AddBrackets(
            "BeginFrame",
            compilation.GetTypeByMetadataName("SuperSlab.Diagnostics.Profiler"),
            compilation.GetTypeByMetadataName("SuperSlab.Diagnostics.FaultAttribution"));
        AddBrackets("Begin", GuardedThread);
    }

    public IAssemblySymbol Assembly { get; }

    public INamedTypeSymbol Lane { get; }

    public INamedTypeSymbol? Arena { get; }

    public INamedTypeSymbol? SmallArena { get; }

    public INamedTypeSymbol? ArenaHandle { get; }

    public INamedTypeSymbol? ArenaRef { get; }

    public INamedTypeSymbol? FrameArena { get; }

    public INamedTypeSymbol? FrameScope { get; }

    public INamedTypeSymbol? GameFrame { get; }

    public INamedTypeSymbol? GameFrames { get; }

    public INamedTypeSymbol? Guard { get; }

    public INamedTypeSymbol? GuardedThread { get; }

    public INamedTypeSymbol? Game { get; }

    public INamedTypeSymbol? RangeJob { get; }

    public INamedTypeSymbol? List { get; }

    public INamedTypeSymbol? Stream { get; }

    /// <summary>The types of a compilation; null where SuperSlab.Engine is not referenced.</summary>
    public static EngineTypes? Find(Compilation compilation) =>
        compilation.GetTypeByMetadataName("SuperSlab.FrameLane") is { } lane
            ? new EngineTypes(compilation, lane)
            : null;

    public static bool Is(ITypeSymbol? type, INamedTypeSymbol? known) =>
        known is not null && SymbolEqualityComparer.Default.Equals(type?.OriginalDefinition, known);

    /// <summary>Whether disposing a value of the type ends what it began.</summary>
    public bool IsScope(ITypeSymbol? type) => type is not null && _scopes.Contains(type.OriginalDefinition);

    public bool IsContainer(ITypeSymbol? type) => type is not null && _containers.Contains(type.OriginalDefinition);

    public bool IsSpan(ITypeSymbol? type) => type is not null && _spans.Contains(type.OriginalDefinition);

    /// <summary>Whether code that is given to a method or constructor of the type may run on another thread.</summary>
    public bool StartsThreads(ITypeSymbol? type)
    {
        for (; type is not null; type = type.BaseType)
        {
            if (_threadStarters.Contains(type.OriginalDefinition))
                return true;
        }

        return false;
    }

    /// <summary>Whether the member is one of the engine's.</summary>
    public bool Owns(ISymbol member) =>
        SymbolEqualityComparer.Default.Equals(member.OriginalDefinition.ContainingAssembly, Assembly);

    /// <summary>The name of the method that ends what a method begins: "EndFrame" for "BeginFrame", else null.
    /// </summary>
    public string? EndOf(IMethodSymbol method) =>
        _brackets.TryGetValue(method.ContainingType.OriginalDefinition, out string? begin) && begin == method.Name
            ? "End" + method.Name.Substring("Begin".Length)
            : null;

    private static HashSet<ISymbol> Set(params INamedTypeSymbol?[] types) =>
        new(types.OfType<INamedTypeSymbol>(), SymbolEqualityComparer.Default);

    private void AddBrackets(string begin, params INamedTypeSymbol?[] types)
    {
        foreach (INamedTypeSymbol? type in types)
        {
            if (type is not null)
                _brackets[type] = begin;
        }
    }
}
