using NUnit.Framework.Interfaces;
using NUnit.Framework.Internal;

namespace Engine.Runner;

/// <summary>
/// Tests whose namespace is Engine.Tests.Folder for one of the folders, all when none is given; of those, the ones that are
/// not in the category to leave out.
/// </summary>
internal sealed class FolderFilter(string[] folders, string? leftOut) : TestFilter
{
    public override bool Match(ITest test)
    {
        string? space = test.TypeInfo?.Namespace;
        return test.Method is not null && !IsLeftOut(test) && (folders.Length == 0 || Array.Exists(folders, folder => space == "Engine.Tests." + folder));
    }

    private bool IsLeftOut(ITest test)
    {
        for (ITest? at = test; at is not null && leftOut is not null; at = at.Parent)
        {
            if (at.Properties["Category"].Contains(leftOut))
            {
                return true;
            }
        }

        return false;
    }

    public override TNode AddToXml(TNode parentNode, bool recursive) => parentNode.AddElement("folders");
}
