using System.Composition;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CodeFixes;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;
using Microsoft.CodeAnalysis.Operations;

namespace SuperSlab.Analyzers;

/// <summary>SSE0005: takes a container that a method disposes by reference, and passes it so in all calls. Only where
/// the document has all calls, and each passes a variable.</summary>
[ExportCodeFixProvider(LanguageNames.CSharp)]
[Shared]
public sealed class DisposedParameterFix() : RuleFix(RuleIds.DisposedCopy, "Take the container by 'ref'")
{
    private protected override SyntaxNode? Fix(SyntaxNode root, SyntaxNode node, string? what, SemanticModel model)
    {
        if (what != "ref" || model.GetSymbolInfo(node).Symbol is not IParameterSymbol parameter
            || parameter.ContainingSymbol is not IMethodSymbol method || !IsCalledOnlyHere(method)
            || parameter.DeclaringSyntaxReferences[0].GetSyntax() is not ParameterSyntax declared)
        {
            return null;
        }

        List<SyntaxNode> places = [declared];
        foreach (SimpleNameSyntax name in root.DescendantNodes().OfType<SimpleNameSyntax>())
        {
            if (name.Identifier.ValueText != method.Name || !IsNameOf(method, name, model))
                continue;

            if (ArgumentIn(name, parameter, model) is not { } argument || !IsVariable(argument.Expression, model))
                return null;

            places.Add(argument);
        }

        SyntaxToken keyword = SyntaxFactory.Token(SyntaxKind.RefKeyword).WithTrailingTrivia(SyntaxFactory.Space);
        return root.ReplaceNodes(places, (_, place) => place switch
        {
            ParameterSyntax taken => taken.WithoutLeadingTrivia().AddModifiers(keyword)
                .WithLeadingTrivia(taken.GetLeadingTrivia()),
            ArgumentSyntax passed => passed.WithRefKindKeyword(keyword),
            _ => place,
        });
    }

    private static bool IsCalledOnlyHere(IMethodSymbol method) =>
        method.MethodKind == MethodKind.LocalFunction
        || (method is { MethodKind: MethodKind.Ordinary, DeclaredAccessibility: Accessibility.Private }
            && method.ContainingType.DeclaringSyntaxReferences.Length == 1);

    private static bool IsNameOf(IMethodSymbol method, SyntaxNode name, SemanticModel model) =>
        SymbolEqualityComparer.Default.Equals(model.GetSymbolInfo(name).Symbol?.OriginalDefinition, method);

    private static ArgumentSyntax? ArgumentIn(SimpleNameSyntax name, IParameterSymbol parameter, SemanticModel model)
    {
        SyntaxNode called = name.Parent is MemberAccessExpressionSyntax access && access.Name == name ? access : name;
        return called.Parent is InvocationExpressionSyntax call && call.Expression == called
            && model.GetOperation(call) is IInvocationOperation operation
                ? operation.Arguments.FirstOrDefault(argument =>
                    argument.Parameter?.Ordinal == parameter.Ordinal)?.Syntax as ArgumentSyntax
                : null;
    }

    private static bool IsVariable(ExpressionSyntax expression, SemanticModel model) =>
        expression is IdentifierNameSyntax && model.GetSymbolInfo(expression).Symbol switch
        {
            ILocalSymbol local => !local.IsUsing && !local.IsForEach && !local.IsFixed
                && local.RefKind != RefKind.RefReadOnly,
            IParameterSymbol parameter => parameter.RefKind is RefKind.None or RefKind.Ref or RefKind.Out,
            IFieldSymbol field => !field.IsReadOnly,
            _ => false,
        };
}
