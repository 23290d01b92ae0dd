using System.Globalization;
using Samples.Common;
using SuperSlab.Diagnostics;

namespace Samples.Profiler.Showing;

/// <summary>Numbers as people read them.</summary>
internal static class Texts
{
    public static CultureInfo Culture => CultureInfo.InvariantCulture;

    /// <summary>A cell of an engine's table; a dash where the column does not apply to the row.</summary>
    public static string Value(ProfileTable.Column column, ProfileDocument document, int row) =>
        column.Number(document, row) is not { } number ? "–"
        : column.Unit == ProfileTable.Unit.Bytes ? FigureText.Bytes(number)
        : FigureText.Count(number);
}
