using System.Composition;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CodeFixes;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace SuperSlab.Analyzers;

/// <summary>SSE0004: adds without growing.</summary>
[ExportCodeFixProvider(LanguageNames.CSharp)]
[Shared]
public sealed class GrowthInFrameFix() : RuleFix(RuleIds.GrowthInFrame, "Call 'AddNoResize'")
{
    private protected override SyntaxNode? Fix(SyntaxNode root, SyntaxNode node, string? what, SemanticModel model) =>
        what is null || node is not IdentifierNameSyntax name
            ? null
            : root.ReplaceNode(name, SyntaxFactory.IdentifierName(what).WithTriviaFrom(name));
}

/// <summary>SSE0006: gives the block to the arena that allocated it; a lane's block to nobody.</summary>
[ExportCodeFixProvider(LanguageNames.CSharp)]
[Shared]
public sealed class OtherArenaFix() : RuleFix(RuleIds.OtherArena, "Give the block to its own arena")
{
    private protected override SyntaxNode? Fix(SyntaxNode root, SyntaxNode node, string? what, SemanticModel model)
    {
        if (what is null || node.FirstAncestorOrSelf<InvocationExpressionSyntax>() is not
            { Expression: MemberAccessExpressionSyntax access } call)
        {
            return null;
        }

        if (what.Length != 0)
        {
            ExpressionSyntax owner = SyntaxFactory.ParseExpression(what).WithTriviaFrom(access.Expression);
            return root.ReplaceNode(access.Expression, owner);
        }

        return access.Name.Identifier.ValueText == "Free"
            && call.Parent is ExpressionStatementSyntax { Parent: BlockSyntax } statement
                ? root.RemoveNode(statement, SyntaxRemoveOptions.KeepDirectives)
                : null;
    }
}

/// <summary>SSE0005: makes a read-only field writable, so that Dispose works on the field.</summary>
[ExportCodeFixProvider(LanguageNames.CSharp)]
[Shared]
public sealed class DisposedCopyFix() : RuleFix(RuleIds.DisposedCopy, "Make the field writable")
{
    private protected override SyntaxNode? Fix(SyntaxNode root, SyntaxNode node, string? what, SemanticModel model)
    {
        if (what != "writable" || model.GetSymbolInfo(node).Symbol is not IFieldSymbol field
            || field.DeclaringSyntaxReferences.FirstOrDefault()?.GetSyntax() is not { } declared
            || declared.SyntaxTree != root.SyntaxTree
            || declared.FirstAncestorOrSelf<FieldDeclarationSyntax>() is not { } declaration)
        {
            return null;
        }

        SyntaxToken readOnly = declaration.Modifiers.First(token => token.IsKind(SyntaxKind.ReadOnlyKeyword));
        FieldDeclarationSyntax writable = declaration.WithModifiers(declaration.Modifiers.Remove(readOnly));
        return root.ReplaceNode(declaration, writable.WithLeadingTrivia(declaration.GetLeadingTrivia()));
    }
}

/// <summary>SSE0008: has a type parameter take unmanaged types only.</summary>
[ExportCodeFixProvider(LanguageNames.CSharp)]
[Shared]
public sealed class ManagedTypeFix() : RuleFix(RuleIds.ManagedType, "Add 'where T : unmanaged'")
{
    private protected override SyntaxNode? Fix(SyntaxNode root, SyntaxNode node, string? what, SemanticModel model)
    {
        if (node is not TypeSyntax written || model.GetTypeInfo(written).Type is not ITypeParameterSymbol parameter)
            return null;

        TypeParameterConstraintClauseSyntax clause =
            SyntaxFactory.TypeParameterConstraintClause(parameter.Name).WithConstraints(
                SyntaxFactory.SingletonSeparatedList<TypeParameterConstraintSyntax>(
                    SyntaxFactory.TypeConstraint(SyntaxFactory.IdentifierName("unmanaged"))))
            .NormalizeWhitespace().WithLeadingTrivia(SyntaxFactory.Space);
        SyntaxNode? declaration = parameter.DeclaringSyntaxReferences.FirstOrDefault()?.GetSyntax().Parent?.Parent;
        return declaration switch
        {
            MethodDeclarationSyntax { ConstraintClauses.Count: 0 } method when method.SyntaxTree == root.SyntaxTree =>
                root.ReplaceNode(method, WithClause(method, method.ParameterList, clause)),
            ClassDeclarationSyntax { ConstraintClauses.Count: 0 } type when type.SyntaxTree == root.SyntaxTree =>
                root.ReplaceNode(type, WithClause(type, Head(type), clause)),
            StructDeclarationSyntax { ConstraintClauses.Count: 0 } type when type.SyntaxTree == root.SyntaxTree =>
                root.ReplaceNode(type, WithClause(type, Head(type), clause)),
            _ => null,
        };
    }

    private static SyntaxNode Head(TypeDeclarationSyntax type) =>
        (SyntaxNode?)type.BaseList ?? (SyntaxNode?)type.ParameterList ?? type.TypeParameterList!;

    /// <summary>The declaration with the clause right behind its head, on the same line.</summary>
    private static SyntaxNode WithClause(
        SyntaxNode declaration, SyntaxNode head, TypeParameterConstraintClauseSyntax clause)
    {
        clause = clause.WithTrailingTrivia(head.GetTrailingTrivia());
        declaration = declaration.ReplaceNode(head, head.WithTrailingTrivia());
        return declaration switch
        {
            MethodDeclarationSyntax method => method.AddConstraintClauses(clause),
            TypeDeclarationSyntax type => type.AddConstraintClauses(clause),
            _ => declaration,
        };
    }
}
