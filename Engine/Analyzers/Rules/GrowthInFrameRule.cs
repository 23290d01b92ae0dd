using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp.Syntax;
using Microsoft.CodeAnalysis.Operations;

namespace SuperSlab.Analyzers;

/// <summary>
/// SSE0004: an Add that may grow a list inside a frame: between the calls that begin and end it, in what a using of a
/// GameFrame encloses, in the game that a GameLoop plays, or in a job of a WorkerPool. A list in a lane may grow: that
/// is a bump of the lane's pointer.
/// </summary>
internal static class GrowthInFrameRule
{
    public static void Check(BodyFacts body)
    {
        bool isFrameCode = IsFrameCode(body);
        foreach (IInvocationOperation call in body.All<IInvocationOperation>())
        {
            if (call.TargetMethod.Name == "Add" && EngineTypes.Is(call.TargetMethod.ContainingType, body.Engine.List)
                && call.Instance is { } list
                && (isFrameCode || body.Regions.Any(region => region.IsFrame && region.Contains(call)))
                && FrameMemory.OriginOf(list, body) is null
                && call.Syntax is InvocationExpressionSyntax { Expression: MemberAccessExpressionSyntax access })
            {
                body.Report(
                    RuleDescriptors.GrowthInFrame, access.Name.GetLocation(), "AddNoResize", list.Text());
            }
        }
    }

    /// <summary>Whether the method is one that the engine calls inside of frames.</summary>
    private static bool IsFrameCode(BodyFacts body) =>
        body.Owner is IMethodSymbol { Name: var name } method
        && (name.EndsWith("Update", StringComparison.Ordinal) || name.EndsWith("Draw", StringComparison.Ordinal)
            ? Implements(method, body.Engine.Game)
            : name.EndsWith("Execute", StringComparison.Ordinal) && Implements(method, body.Engine.RangeJob));

    private static bool Implements(IMethodSymbol method, INamedTypeSymbol? contract) =>
        contract is not null && method.ContainingType.AllInterfaces.Contains(contract, SymbolEqualityComparer.Default)
        && contract.GetMembers().Any(member =>
            method.Mentions(method.ContainingType.FindImplementationForInterfaceMember(member)));
}
