using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;
using Microsoft.CodeAnalysis.Operations;

namespace SuperSlab.Analyzers;

/// <summary>
/// SSE0007: a call that begins a frame of an object that only this method or this class can know, and that neither
/// ends; and a return between a beginning and its end.
/// </summary>
internal static class OpenFrameRule
{
    public static void Check(BodyFacts body)
    {
        foreach (IInvocationOperation begin in body.All<IInvocationOperation>())
        {
            if (body.Engine.EndOf(begin.TargetMethod) is not { } end || begin.Instance.Variable() is not { } variable)
                continue;

            if (IsNeverEnded(body, variable, end))
            {
                body.Report(
                    RuleDescriptors.OpenFrame, begin.Syntax.GetLocation(),
                    EngineTypes.Is(begin.TargetMethod.ContainingType, body.Engine.GameFrames) ? "using" : null,
                    begin.Text(), $"begins what no '{end}' ends; call it, in a finally block where code may throw");
            }
            else
            {
                CheckReturns(body, begin, variable, end);
            }
        }
    }

    private static bool IsNeverEnded(BodyFacts body, ISymbol variable, string end) => variable switch
    {
        ILocalSymbol local => body.SourceOf(local)?.Unwrapped() is IObjectCreationOperation
            or IInvocationOperation { TargetMethod.Name: "RegisterThread" }
            && !body.UsesOf(local).Any(use => IsEndOrEscape(use, end)),
        IFieldSymbol { DeclaredAccessibility: Accessibility.Private } field => !IsEndedInClass(field, end),
        _ => false,
    };

    private static bool IsEndOrEscape(IOperation use, string end) => use.Parent switch
    {
        IInvocationOperation call when call.Instance == use => call.TargetMethod.Name == end,
        IMethodReferenceOperation method => method.Method.Name == end,
        IPropertyReferenceOperation or IConditionalAccessOperation => false,
        _ => true,
    };

    /// <summary>Whether a class's code names the method that ends the frame, or gives the field to somebody who may:
    /// read from the words of the source, so that a doubt is none.</summary>
    private static bool IsEndedInClass(IFieldSymbol field, string end)
    {
        foreach (SyntaxReference part in field.ContainingType.DeclaringSyntaxReferences)
        {
            foreach (IdentifierNameSyntax name in part.GetSyntax().DescendantNodes().OfType<IdentifierNameSyntax>())
            {
                if (name.Identifier.ValueText == end)
                    return true;

                if (name.Identifier.ValueText == field.Name && IsGivenAway(name))
                    return true;
            }
        }

        return false;
    }

    private static bool IsGivenAway(IdentifierNameSyntax name)
    {
        SyntaxNode whole = name.Parent is MemberAccessExpressionSyntax { Expression: ThisExpressionSyntax } access
            ? access
            : name;
        return whole.Parent switch
        {
            MemberAccessExpressionSyntax outer => outer.Expression != whole,
            ConditionalAccessExpressionSyntax => false,
            AssignmentExpressionSyntax assignment => assignment.Left != whole,
            _ => true,
        };
    }

    private static void CheckReturns(BodyFacts body, IInvocationOperation begin, ISymbol variable, string end)
    {
        IInvocationOperation[] ends =
        [
            .. body.All<IInvocationOperation>().Where(call => call.TargetMethod.Name == end
                && call.Function() == begin.Function() && variable.Mentions(call.Instance.Variable())),
        ];
        IInvocationOperation? last = ends.FirstOrDefault(call =>
            call.Syntax.SpanStart > begin.Syntax.SpanStart && call.Block() == begin.Block());
        if (last is null)
            return;

        foreach (IReturnOperation result in body.All<IReturnOperation>())
        {
            bool isBetween = !result.IsImplicit && result.Syntax.IsKind(SyntaxKind.ReturnStatement)
                && result.Syntax.SpanStart > begin.Syntax.SpanStart && result.Syntax.SpanStart < last.Syntax.SpanStart
                && result.Function() == begin.Function();
            if (isBetween && !ends.Any(call => EndsBefore(call, begin, result)))
            {
                body.Report(
                    RuleDescriptors.OpenFrame, result, begin.Text(),
                    $"is left without '{end}' by this return; call it in a finally block");
            }
        }
    }

    /// <summary>Whether a call ends the frame on the way to a return: in the block of the return or around it, or in a
    /// finally block.</summary>
    private static bool EndsBefore(IInvocationOperation call, IInvocationOperation begin, IOperation result)
    {
        if (call.Ancestors().OfType<ITryOperation>().Any(guarded =>
            guarded.Finally is { } last && call.IsInside(last) && result.IsInside(guarded)))
        {
            return true;
        }

        return call.Syntax.SpanStart > begin.Syntax.SpanStart && call.Syntax.SpanStart < result.Syntax.SpanStart
            && call.Block() is { } block && result.IsInside(block);
    }
}
