using System.Text;
using Microsoft.Diagnostics.Tracing;
using SuperSlab.Diagnostics;

namespace Samples.Profiler.Listening;

/// <summary>Puts documents together that arrive in parts, as events named "StatePart" or "ReportPart".</summary>
internal sealed class DocumentParts
{
    private readonly Dictionary<long, string?[]> _documents = [];

    /// <returns>The whole document when this was its last part; else null.</returns>
    public ProfileDocument? Add(TraceEvent data)
    {
        long document = (long)data.PayloadByName("document");
        if (!_documents.TryGetValue(document, out string?[]? parts))
        {
            parts = new string?[(long)data.PayloadByName("count")];
            _documents.Add(document, parts);
        }

        parts[(long)data.PayloadByName("part")] = (string)data.PayloadByName("json");
        if (parts.Contains(null))
            return null;

        _documents.Remove(document);
        return ProfileDocument.Read(new MemoryStream(Encoding.UTF8.GetBytes(string.Concat(parts))));
    }
}
