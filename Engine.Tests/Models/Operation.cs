namespace Engine.Tests.Models;

/// <summary>One operation of a random program. What its numbers mean depends on its kind; any numbers are a valid operation.</summary>
internal readonly record struct Operation(OperationKind Kind, int Actor, int Which, int Size)
{
    public override string ToString() => $"{Kind}({Actor}, {Which}, {Size})";
}
