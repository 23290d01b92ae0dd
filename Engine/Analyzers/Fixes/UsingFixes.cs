using System.Composition;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CodeFixes;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace SuperSlab.Analyzers;

/// <summary>SSE0001: declares the scope with using.</summary>
[ExportCodeFixProvider(LanguageNames.CSharp)]
[Shared]
public sealed class OpenScopeFix() : RuleFix(RuleIds.OpenScope, "End it with 'using'")
{
    private protected override SyntaxNode? Fix(SyntaxNode root, SyntaxNode node, string? what, SemanticModel model)
    {
        if (what != "using" || node.FirstAncestorOrSelf<StatementSyntax>() is not { } statement
            || statement.Parent is not (BlockSyntax or SwitchSectionSyntax or GlobalStatementSyntax))
        {
            return null;
        }

        return statement switch
        {
            LocalDeclarationStatementSyntax { Declaration.Variables.Count: 1 } local =>
                root.ReplaceNode(local, UsingDeclaration.From(local)),
            ExpressionStatementSyntax when node is ExpressionSyntax made && model.GetTypeInfo(made).Type is { } type
                && statement.Parent is not SwitchSectionSyntax =>
                root.ReplaceNode(statement, UsingDeclaration.Of(made, type, "scope", statement, model)),
            _ => null,
        };
    }
}

/// <summary>SSE0007: begins the frame by Begin, whose result ends it.</summary>
[ExportCodeFixProvider(LanguageNames.CSharp)]
[Shared]
public sealed class OpenFrameFix() : RuleFix(RuleIds.OpenFrame, "End the frame with 'using'")
{
    private protected override SyntaxNode? Fix(SyntaxNode root, SyntaxNode node, string? what, SemanticModel model)
    {
        InvocationExpressionSyntax? call = node.FirstAncestorOrSelf<InvocationExpressionSyntax>();
        if (what != "using" || call?.Expression is not MemberAccessExpressionSyntax access
            || call.Parent is not ExpressionStatementSyntax statement
            || statement.Parent is not (BlockSyntax or GlobalStatementSyntax)
            || model.Compilation.GetTypeByMetadataName("SuperSlab.Scenes.GameFrame") is not { } frame)
        {
            return null;
        }

        ExpressionSyntax begin = call.WithExpression(access.WithName(SyntaxFactory.IdentifierName("Begin")));
        return root.ReplaceNode(statement, UsingDeclaration.Of(begin, frame, "frame", statement, model));
    }
}

/// <summary>Makes declarations with using.</summary>
internal static class UsingDeclaration
{
    public static LocalDeclarationStatementSyntax From(LocalDeclarationStatementSyntax local) =>
        local.WithoutLeadingTrivia()
            .WithUsingKeyword(SyntaxFactory.Token(SyntaxKind.UsingKeyword).WithTrailingTrivia(SyntaxFactory.Space))
            .WithLeadingTrivia(local.GetLeadingTrivia());

    /// <summary>A declaration in the place of a statement, with a name that is free there.</summary>
    public static StatementSyntax Of(
        ExpressionSyntax value, ITypeSymbol type, string name, StatementSyntax place, SemanticModel model)
    {
        string free = name;
        HashSet<string> taken = [.. model.LookupSymbols(place.Span.End).Select(symbol => symbol.Name)];
        for (int number = 2; taken.Contains(free); number++)
            free = name + number;

        string typeName = type.ToMinimalDisplayString(model, place.SpanStart);
        return SyntaxFactory.ParseStatement($"using {typeName} {free} = {value.WithoutTrivia()};")
            .WithTriviaFrom(place);
    }
}
