using NUnit.Framework.Interfaces;
using NUnit.Framework.Internal;

namespace Engine.Runner;

/// <summary>
/// Tests whose namespace is Engine.Tests.Folder for one of the folders, all when none is given; of those, the ones that
/// are in none of the categories to leave out.
/// </summary>
internal sealed class FolderFilter(string[] folders, string[] leftOut) : TestFilter
{
    public override bool Match(ITest test)
    {
        string? space = test.TypeInfo?.Namespace;
        bool isWanted = folders.Length == 0 || Array.Exists(folders, folder => space == "Engine.Tests." + folder);
        return test.Method is not null && isWanted && !IsLeftOut(test);
    }

    /// <summary>A folder names no test: those that run only by their name do not run.</summary>
    public override bool IsExplicitMatch(ITest test) => false;

    private bool IsLeftOut(ITest test)
    {
        for (ITest? at = test; at is not null; at = at.Parent)
        {
            if (Array.Exists(leftOut, at.Properties["Category"].Contains))
                return true;
        }

        return false;
    }

    public override TNode AddToXml(TNode parentNode, bool recursive) => parentNode.AddElement("folders");
}
