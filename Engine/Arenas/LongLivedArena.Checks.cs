using Engine.Core;

namespace Engine.Arenas;

/// <content>What hardened and full checks do on the way; see <see cref="Checking.MemoryChecks"/>.</content>
public sealed unsafe partial class LongLivedArena
{
    /// <summary>Whether the code that is told about the arena's dispose runs: a dispose that it asks for is under way already.</summary>
    private bool _isReporting;

    private nuint UsableBytes(void* block, int sizeClass) => _checked?.BytesOf(block) ?? _slabs.UsableBytes((nint)block, sizeClass);

    /// <summary>
    /// Tells what was damaged and left, while the arena can still be used, and then has full checks forget its blocks. The code that is told may
    /// do anything.
    /// </summary>
    /// <returns>The first exception of the code that was told.</returns>
    private Exception? ReportChecks()
    {
        if (_checked is null)
        {
            return null;
        }

        Exception? thrown = null;
        _isReporting = true;
        foreach (string sentence in DisposeSentences())
        {
            try
            {
                _checkSettings.Tell(sentence);
            }
            catch (Exception exception)
            {
                thrown ??= exception;
            }
        }

        _isReporting = false;
        _checked.Abandon();
        return thrown;
    }

    private List<string> DisposeSentences()
    {
        List<string> sentences = [.. _checked!.FindDamage()];
        if (_checkSettings.Report is not null)
        {
            foreach (LiveAllocation left in LiveAllocations())
            {
                sentences.Add(
                    $"Arena '{Name}' was disposed with {left.Count} live blocks of {Sizes.Text(left.Bytes)}{(left.Tag is null ? "" : $", tag '{left.Tag}'")}."
                    + (left.CallStack is null ? "" : $"{Environment.NewLine}{left.CallStack}"));
            }
        }

        return sentences;
    }

    private void ThrowIfReportThrew(Exception? thrown)
    {
        if (thrown is not null)
        {
            throw new EngineMemoryException($"The report of what was left in arena '{Name}' threw: {thrown.Message} The arena is disposed.", thrown);
        }
    }
}
