using NUnit.Framework.Interfaces;
using NUnit.Framework.Internal;

namespace Engine.Runner;

/// <summary>Tests whose namespace is Engine.Tests.Folder for one of the folders; all when none is given.</summary>
internal sealed class FolderFilter(string[] folders) : TestFilter
{
    public override bool Match(ITest test)
    {
        string? space = test.TypeInfo?.Namespace;
        return test.Method is not null && (folders.Length == 0 || Array.Exists(folders, folder => space == "Engine.Tests." + folder));
    }

    public override TNode AddToXml(TNode parentNode, bool recursive) => parentNode.AddElement("folders");
}
