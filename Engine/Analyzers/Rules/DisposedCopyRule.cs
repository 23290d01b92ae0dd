using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.Operations;

namespace SuperSlab.Analyzers;

/// <summary>
/// SSE0005: a container that is disposed under the name of a copy, so that the other names go on to lead to its memory;
/// or one that leaves the using that disposes it. Copies that nobody disposes are what containers are for.
/// </summary>
internal static class DisposedCopyRule
{
    public static void Check(BodyFacts body)
    {
        foreach (IInvocationOperation call in body.All<IInvocationOperation>())
        {
            if (call is { TargetMethod.Name: "Dispose", Instance: { } instance }
                && body.Engine.IsContainer(instance.Type) && WhyWrong(body, instance) is (string why, var fix))
            {
                body.Report(RuleDescriptors.DisposedCopy, instance.Syntax.GetLocation(), fix, instance.Text(), why);
            }
        }

        foreach (IVariableDeclaratorOperation declarator in body.All<IVariableDeclaratorOperation>())
        {
            if (!body.Engine.IsContainer(declarator.Symbol.Type) || declarator.Using() is null)
                continue;

            if (CopiedFrom(body, declarator.Symbol) is { } original)
            {
                body.Report(
                    RuleDescriptors.DisposedCopy, declarator.Syntax.GetLocation(), null, declarator.Symbol.Name,
                    CopyOf(original));
            }

            CheckEscapes(body, declarator.Symbol);
        }
    }

    private static string CopyOf(string original) =>
        $"is a copy of '{original}', which still leads to the freed memory afterwards; dispose the original";

    private static (string? Why, string? Fix) WhyWrong(BodyFacts body, IOperation instance)
    {
        switch (instance)
        {
            case IParameterReferenceOperation { Parameter: { RefKind: RefKind.None } parameter }
                when !body.IsWritten(parameter):
                return ("is a copy of the caller's, which still leads to the freed memory afterwards; take it by 'ref'",
                    "ref");
            case IParameterReferenceOperation { Parameter.RefKind: RefKind.In or RefKind.RefReadOnlyParameter }:
                return ("is read-only, so a copy of it is disposed; take it by 'ref'", null);
            case IFieldReferenceOperation { Field.IsReadOnly: true } field when !IsConstructorOf(body, field.Field):
                return ("is read-only, so a copy of it is disposed and a second Dispose frees again; make it writable",
                    "writable");
            case IPropertyReferenceOperation { Property: { ReturnsByRef: false, ReturnsByRefReadonly: false } }:
                return ("returns a copy, and the original still leads to the freed memory; dispose the field", null);
            case ILocalReferenceOperation { Local: { IsRef: false } local }:
                return (CopiedFrom(body, local) is { } original ? CopyOf(original) : null, null);
            default:
                return default;
        }
    }

    private static bool IsConstructorOf(BodyFacts body, ISymbol field) =>
        body.Owner is IMethodSymbol { MethodKind: MethodKind.Constructor or MethodKind.StaticConstructor } method
        && method.ContainingType.Mentions(field.ContainingType);

    /// <summary>
    /// The variable whose copy a local is. Not where that variable gets another value later: then the local takes the
    /// old one away.
    /// </summary>
    private static string? CopiedFrom(BodyFacts body, ILocalSymbol local) =>
        !local.IsRef && body.SourceOf(local) is { } source && source.Variable() is { } original
        && !body.IsWrittenAfter(original, source.Syntax.SpanStart)
            ? original.Name
            : null;

    private static void CheckEscapes(BodyFacts body, ILocalSymbol local)
    {
        foreach (IOperation use in body.UsesOf(local))
        {
            IOperation value = use;
            if (use.Parent is IInvocationOperation view && view.Instance == use
                && view.TargetMethod.Name is "AsSpan" or "AsReadOnly" or "AsParallelWriter")
            {
                value = use.Parent;
            }

            while (value.Parent is IConversionOperation conversion)
                value = conversion;

            if (value.Parent is IReturnOperation)
            {
                body.Report(
                    RuleDescriptors.DisposedCopy, value, local.Name,
                    "is disposed by its 'using' when it is returned; declare it without");
            }
            else if (value.Parent is ISimpleAssignmentOperation { Target: IFieldReferenceOperation field } assignment
                && assignment.Value == value)
            {
                body.Report(
                    RuleDescriptors.DisposedCopy, value, local.Name,
                    $"is disposed by its 'using' and still named by '{field.Field.Name}'; declare it without");
            }
        }
    }
}
