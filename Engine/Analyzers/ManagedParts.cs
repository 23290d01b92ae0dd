using Microsoft.CodeAnalysis;

namespace SuperSlab.Analyzers;

/// <summary>Why a type cannot lie in unmanaged memory, and what takes its place there.</summary>
internal static class ManagedParts
{
    private const int DeepestField = 8;

    /// <summary>Null where the type is unmanaged, or does not compile.</summary>
    public static (string Why, string Instead)? WhyManaged(ITypeSymbol type)
    {
        if (type is ITypeParameterSymbol parameter)
        {
            return parameter.HasUnmanagedTypeConstraint
                ? null
                : ("it may be any type", $"add 'where {parameter.Name} : unmanaged'");
        }

        if (type.OriginalDefinition.SpecialType == SpecialType.System_Nullable_T)
            return ("it is nullable", "keep the value and a flag in a struct");

        if (type.TypeKind == TypeKind.Error || type.IsUnmanagedType)
            return null;

        if (type.Name == "SmallArena")
            return ("it holds a managed reference", InsteadOf(type));

        if (type.IsReferenceType)
            return ("it is a class or another managed reference", InsteadOf(type));

        if (type.IsRefLikeType)
        {
            return (
                "it lives on the stack only", "keep a pointer and a length, or copy the elements into a NativeArray");
        }

        return ManagedField(type, "", DeepestField) is var (path, field)
            ? ($"its field '{path}' is of the managed type '{Name(field)}'", InsteadOf(field))
            : ("it has a managed part", "keep only unmanaged fields");
    }

    private static (string Path, ITypeSymbol Type)? ManagedField(ITypeSymbol type, string path, int depth)
    {
        foreach (IFieldSymbol field in type.GetMembers().OfType<IFieldSymbol>())
        {
            if (field.IsStatic || field.Type.IsUnmanagedType || field.Type.TypeKind == TypeKind.Error)
                continue;

            string name = path + (field.AssociatedSymbol?.Name ?? field.Name);
            return field.Type.IsValueType && depth > 0 && field.Type.Locations.Any(place => place.IsInSource)
                && ManagedField(field.Type, name + ".", depth - 1) is { } inner
                    ? inner
                    : (name, field.Type);
        }

        return null;
    }

    private static string InsteadOf(ITypeSymbol type) => type switch
    {
        { SpecialType: SpecialType.System_String } => "use a FixedString64, or a NativeText where it is long",
        IArrayTypeSymbol array => $"use a NativeArray<{Name(array.ElementType)}>",
        { TypeKind: TypeKind.Delegate } => "use a function pointer, such as delegate*<void>",
        { Name: "LongLivedArena" or "SmallArena" or "FrameArena" } => "use an ArenaRef",
        { Name: "List" } => "use a NativeList",
        { Name: "Dictionary" } => "use a NativeHashMap",
        { Name: "HashSet" } => "use a NativeHashSet",
        { Name: "Queue" } => "use a NativeQueue",
        { Name: "PriorityQueue" } => "use a NativePriorityQueue",
        { Name: "StringBuilder" } => "use a NativeText",
        _ => "keep the object in a managed array and its index here, or make it a struct of unmanaged fields",
    };

    private static string Name(ITypeSymbol type) =>
        type.ToDisplayString(SymbolDisplayFormat.MinimallyQualifiedFormat);
}
