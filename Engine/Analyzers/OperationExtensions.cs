using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.Operations;

namespace SuperSlab.Analyzers;

/// <summary>Questions about operations that several rules ask.</summary>
internal static class OperationExtensions
{
    /// <summary>The operation inside of conversions and parentheses.</summary>
    public static IOperation Unwrapped(this IOperation operation)
    {
        while (true)
        {
            switch (operation)
            {
                case IConversionOperation conversion:
                    operation = conversion.Operand;
                    break;
                case IParenthesizedOperation parenthesized:
                    operation = parenthesized.Operand;
                    break;
                default:
                    return operation;
            }
        }
    }

    /// <summary>The local, the parameter, or the static field or field of this object that it names; else null.
    /// </summary>
    public static ISymbol? Variable(this IOperation? operation) => operation?.Unwrapped() switch
    {
        ILocalReferenceOperation local => local.Local,
        IParameterReferenceOperation parameter => parameter.Parameter,
        IFieldReferenceOperation { Instance: null or IInstanceReferenceOperation } field => field.Field,
        _ => null,
    };

    /// <summary>The innermost lambda or local function that it is in; null for the method itself.</summary>
    public static IOperation? Function(this IOperation operation) =>
        operation.Ancestors().FirstOrDefault(outer => outer is IAnonymousFunctionOperation or ILocalFunctionOperation);

    public static IEnumerable<IOperation> Ancestors(this IOperation operation)
    {
        for (IOperation? outer = operation.Parent; outer is not null; outer = outer.Parent)
            yield return outer;
    }

    /// <summary>The block that its statement stands in.</summary>
    public static IBlockOperation? Block(this IOperation operation) =>
        operation.Ancestors().OfType<IBlockOperation>().FirstOrDefault();

    public static bool IsInside(this IOperation operation, IOperation outer) =>
        operation.Ancestors().Contains(outer);

    /// <summary>The using that disposes a declared local; null where there is none.</summary>
    public static IOperation? Using(this IVariableDeclaratorOperation declarator) =>
        declarator.Ancestors().TakeWhile(outer => outer is IVariableDeclarationOperation
            or IVariableDeclarationGroupOperation or IUsingDeclarationOperation or IUsingOperation)
            .FirstOrDefault(outer => outer is IUsingDeclarationOperation or IUsingOperation);

    public static bool Mentions(this ISymbol symbol, ISymbol? other) =>
        SymbolEqualityComparer.Default.Equals(symbol, other);

    /// <summary>What is passed for the first parameter, wherever it stands among the arguments.</summary>
    public static IOperation? First(this IEnumerable<IArgumentOperation> arguments) =>
        arguments.FirstOrDefault(argument => argument.Parameter is { Ordinal: 0 })?.Value;

    /// <summary>The code as it is written, on one line.</summary>
    public static string Text(this IOperation operation) =>
        string.Join(" ", operation.Syntax.ToString().Split(['\r', '\n', ' '], StringSplitOptions.RemoveEmptyEntries));
}
