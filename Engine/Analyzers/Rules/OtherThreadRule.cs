using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.Operations;

namespace SuperSlab.Analyzers;

/// <summary>
/// SSE0003: a handle, a lane or a thread's registration that another thread gets, in a lambda or after an await. The
/// compiler refuses the types among them that cannot leave the stack; the rule says what to do instead.
/// </summary>
internal static class OtherThreadRule
{
    private const string Captured = "captured by code that another thread may run";
    private const string Awaited = "used after an await, behind which another thread may go on";

    public static void Check(BodyFacts body)
    {
        foreach (IAnonymousFunctionOperation lambda in body.All<IAnonymousFunctionOperation>())
            CheckCaptures(body, lambda);

        foreach (IAwaitOperation await in body.All<IAwaitOperation>())
            CheckAwait(body, await);
    }

    private static bool RunsElsewhere(BodyFacts body, IOperation lambda)
    {
        IOperation? outer = lambda.Parent;
        while (outer is IDelegateCreationOperation or IConversionOperation)
            outer = outer.Parent;

        return outer is IArgumentOperation { Parent: { } call } && call switch
        {
            IInvocationOperation invocation => body.Engine.StartsThreads(invocation.TargetMethod.ContainingType),
            IObjectCreationOperation made => body.Engine.StartsThreads(made.Type),
            _ => false,
        };
    }

    private static void CheckCaptures(BodyFacts body, IAnonymousFunctionOperation lambda)
    {
        bool runsElsewhere = RunsElsewhere(body, lambda);
        HashSet<ISymbol> told = new(SymbolEqualityComparer.Default);
        foreach (IOperation use in lambda.Body.Descendants())
        {
            if (use is not (ILocalReferenceOperation or IParameterReferenceOperation)
                || use.Variable() is not { } variable || IsDeclaredIn(variable, lambda))
            {
                continue;
            }

            // A handle or a lane makes any lambda an error, and whatever would run the lambda unknown.
            bool isWrong = (IsOneThreads(body, use.Type) && use.Function() == lambda)
                || (runsElsewhere && (IsBracket(body, use) || IsLaneReference(body, use)));
            if (isWrong && told.Add(variable))
                body.Report(RuleDescriptors.OtherThread, use, variable.Name, Captured);
        }
    }

    private static bool IsDeclaredIn(ISymbol variable, IOperation lambda) =>
        variable.DeclaringSyntaxReferences.Any(place => lambda.Syntax.Span.Contains(place.Span));

    private static bool IsOneThreads(BodyFacts body, ITypeSymbol? type) =>
        EngineTypes.Is(type, body.Engine.ArenaHandle) || EngineTypes.Is(type, body.Engine.Lane);

    /// <summary>Whether it begins or ends the thread's part of a frame; what it counted, any thread may read.</summary>
    private static bool IsBracket(BodyFacts body, IOperation use) =>
        EngineTypes.Is(use.Type, body.Engine.GuardedThread)
        && use.Parent is IInvocationOperation { TargetMethod.Name: "Begin" or "End" or "Dispose" };

    private static bool IsLaneReference(BodyFacts body, IOperation use) =>
        EngineTypes.Is(use.Type, body.Engine.ArenaRef) && FrameMemory.IsLane(use, body);

    private static void CheckAwait(BodyFacts body, IAwaitOperation await)
    {
        IOperation? function = await.Function();
        int position = await.Syntax.SpanStart;
        foreach (IVariableDeclaratorOperation declarator in body.All<IVariableDeclaratorOperation>())
        {
            bool isThreads = EngineTypes.Is(declarator.Symbol.Type, body.Engine.GuardedThread)
                || IsOneThreads(body, declarator.Symbol.Type);
            if (!isThreads || declarator.Function() != function || declarator.Syntax.Span.End > position)
                continue;

            if (declarator.Using() is { } disposing && IsInScope(disposing, await))
                body.Report(RuleDescriptors.OtherThread, await, declarator.Symbol.Name, "disposed after this await");
            else if (FirstUseAfter(body, declarator.Symbol, position, function) is { } use && IsFirst(body, await, use))
                body.Report(RuleDescriptors.OtherThread, use, declarator.Symbol.Name, Awaited);
        }

        foreach (IInvocationOperation begin in body.All<IInvocationOperation>())
        {
            if (body.Engine.EndOf(begin.TargetMethod) is { } end && begin.Function() == function
                && (EngineTypes.Is(begin.TargetMethod.ContainingType, body.Engine.Guard)
                    || EngineTypes.Is(begin.TargetMethod.ContainingType, body.Engine.GameFrames))
                && FrameRegion.EndOf(body, begin, end) is { } last && begin.Syntax.SpanStart < position
                && last.Syntax.SpanStart > position && IsFirst(body, await, last))
            {
                body.Report(RuleDescriptors.OtherThread, last, last.Instance!.Text(), Awaited);
            }
        }
    }

    private static bool IsInScope(IOperation disposing, IOperation await) => disposing is IUsingOperation
        ? await.IsInside(disposing)
        : disposing.Parent is { } block && await.IsInside(block);

    private static IOperation? FirstUseAfter(BodyFacts body, ISymbol local, int position, IOperation? function) =>
        body.UsesOf(local).FirstOrDefault(use =>
            use.Syntax.SpanStart > position && use.Function() == function
            && (!EngineTypes.Is(use.Type, body.Engine.GuardedThread) || IsBracket(body, use)));

    /// <summary>Whether no other await before the use tells it already.</summary>
    private static bool IsFirst(BodyFacts body, IAwaitOperation await, IOperation use) =>
        !body.All<IAwaitOperation>().Any(other =>
            other.Function() == await.Function() && other.Syntax.SpanStart > await.Syntax.SpanStart
            && other.Syntax.SpanStart < use.Syntax.SpanStart);
}
