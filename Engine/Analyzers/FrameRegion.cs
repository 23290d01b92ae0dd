using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.Operations;

namespace SuperSlab.Analyzers;

/// <summary>
/// A part of a method that lies inside a frame or a scope of a lane: what a using of a FrameScope or GameFrame
/// encloses, or what stands between a call that begins a frame and the next that ends it.
/// </summary>
internal sealed class FrameRegion
{
    private readonly IOperation? _function;

    private FrameRegion(IOperation begin, int start, int end)
    {
        _function = begin.Function();
        Start = start;
        End = end;
    }

    /// <summary>The positions in the source where it begins and ends.</summary>
    public int Start { get; }

    public int End { get; }

    /// <summary>Whether it is a frame of a game and not only a scope of a lane.</summary>
    public bool IsFrame { get; private set; }

    /// <summary>Whether leaving it, by a return as well, ends it.</summary>
    public bool IsUsing { get; private set; }

    /// <summary>The code of the lane that is rewound at its end; null for a frame, which ends those of all lanes.
    /// </summary>
    public string? Lane { get; private set; }

    public static IReadOnlyList<FrameRegion> Find(BodyFacts body)
    {
        List<FrameRegion> regions = [];
        foreach (IOperation operation in body.All<IOperation>())
        {
            switch (operation)
            {
                case IUsingOperation statement:
                    AddUsing(regions, body, statement.Resources, statement.Body.Syntax.SpanStart,
                        statement.Body.Syntax.Span.End);
                    break;
                case IUsingDeclarationOperation { Parent: { } block } declaration:
                    AddUsing(regions, body, declaration.DeclarationGroup, declaration.Syntax.Span.End,
                        block.Syntax.Span.End);
                    break;
                case IInvocationOperation begin when body.Engine.EndOf(begin.TargetMethod) is { } end
                    && IsOfFrames(body.Engine, begin.TargetMethod.ContainingType):
                    AddPair(regions, body, begin, end);
                    break;
            }
        }

        return regions;
    }

    /// <summary>The next call that ends what a call begins, by its name, on the same object as it is written.</summary>
    public static IInvocationOperation? EndOf(BodyFacts body, IInvocationOperation begin, string end) =>
        body.All<IInvocationOperation>().FirstOrDefault(call =>
            call.TargetMethod.Name == end && call.Syntax.SpanStart > begin.Syntax.SpanStart
            && call.Function() == begin.Function() && call.Instance?.Text() == begin.Instance?.Text());

    public bool Contains(IOperation operation)
    {
        int position = operation.Syntax.SpanStart;
        return position >= Start && position < End && operation.Function() == _function;
    }

    private static bool IsOfFrames(EngineTypes engine, ITypeSymbol type) =>
        EngineTypes.Is(type, engine.GameFrames) || EngineTypes.Is(type, engine.Guard)
        || EngineTypes.Is(type, engine.GuardedThread);

    private static void AddUsing(
        List<FrameRegion> regions, BodyFacts body, IOperation resources, int start, int end)
    {
        foreach (IOperation value in Values(resources))
        {
            bool isFrame = EngineTypes.Is(value.Type, body.Engine.GameFrame);
            if (!isFrame && !EngineTypes.Is(value.Type, body.Engine.FrameScope))
                continue;

            string? lane = isFrame ? null : (value.Unwrapped() as IInvocationOperation)?.Instance?.Text() ?? "";
            regions.Add(new(resources, start, end) { IsFrame = isFrame, IsUsing = true, Lane = lane });
        }
    }

    private static IEnumerable<IOperation> Values(IOperation resources)
    {
        if (resources is not IVariableDeclarationGroupOperation group)
            return [resources];

        return group.Declarations.SelectMany(declaration => declaration.Declarators)
            .Select(declarator => declarator.GetVariableInitializer()?.Value)
            .OfType<IOperation>();
    }

    private static void AddPair(List<FrameRegion> regions, BodyFacts body, IInvocationOperation begin, string end)
    {
        if (EndOf(body, begin, end) is { } last)
            regions.Add(new(begin, begin.Syntax.Span.End, last.Syntax.SpanStart) { IsFrame = true });
    }
}
