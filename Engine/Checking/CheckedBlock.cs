using Engine.Core;

namespace Engine.Checking;

/// <summary>
/// One block's history. The block that the arena's slabs gave is larger than what the caller got:
/// <code>
///   Raw                Address             Address + Bytes         ZoneEnd
///   | red zone, or none | the caller's bytes | red zone, 16 or more | guard page, or none |
/// </code>
/// </summary>
internal sealed class CheckedBlock
{
    public required nuint Address { get; init; }

    public required nuint Bytes { get; init; }

    public required nuint Raw { get; init; }

    public required nuint ZoneEnd { get; init; }

    public required int SizeClass { get; init; }

    /// <summary>Whether the page at ZoneEnd is closed. Whoever took the block out of its tables writes this.</summary>
    public bool HasGuardPage { get; set; }

    public required CheckedCall Allocated { get; init; }

    /// <summary>Null while the block is live.</summary>
    public CheckedCall? Freed { get; set; }

    public nuint ZoneBytes => ZoneEnd - Raw;

    public bool Contains(nuint address) => address - Raw < ZoneEnd - Raw;

    public override string ToString() => $"the block of {Sizes.Text(Bytes)} at 0x{Address:x}";
}
