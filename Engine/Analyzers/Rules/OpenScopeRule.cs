using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.Operations;

namespace SuperSlab.Analyzers;

/// <summary>SSE0001: a scope that nobody disposes, or a mark that nobody rewinds to.</summary>
internal static class OpenScopeRule
{
    public static void Check(BodyFacts body)
    {
        foreach (IInvocationOperation call in body.All<IInvocationOperation>())
        {
            bool isMark = call.TargetMethod.Name == "Mark"
                && EngineTypes.Is(call.TargetMethod.ContainingType, body.Engine.Lane);
            if ((isMark || body.Engine.IsScope(call.Type)) && IsLeftOpen(body, call, isMark))
            {
                string what = isMark ? "rewound to; call Rewind, or take no mark" : "disposed; declare it with 'using'";
                body.Report(
                    RuleDescriptors.OpenScope, call.Syntax.GetLocation(), isMark ? null : "using", call.Type!.Name,
                    call.Text(), what);
            }
        }
    }

    /// <summary>Whether the value goes nowhere: what is returned, stored or passed on may be disposed there. The one
    /// expression of a lambda is what the lambda returns, or an assertion's.</summary>
    private static bool IsLeftOpen(BodyFacts body, IInvocationOperation call, bool isMark) => call.Parent switch
    {
        IExpressionStatementOperation statement =>
            !statement.IsImplicit || statement.Function() is not IAnonymousFunctionOperation,
        ISimpleAssignmentOperation { Target: IDiscardOperation } => !isMark,
        ISimpleAssignmentOperation { Target: ILocalReferenceOperation target } =>
            !body.UsesOf(target.Local).Any(use => IsEnd(use, isMark)),
        IVariableInitializerOperation { Parent: IVariableDeclaratorOperation declarator } =>
            declarator.Using() is null && !body.UsesOf(declarator.Symbol).Any(use => IsEnd(use, isMark)),
        _ => false,
    };

    private static bool IsEnd(IOperation use, bool isMark) => isMark || use.Parent switch
    {
        IInvocationOperation call when call.Instance == use => call.TargetMethod.Name == "Dispose",
        IPropertyReferenceOperation => false,
        _ => true,
    };
}
