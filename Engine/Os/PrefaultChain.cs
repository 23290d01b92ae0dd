using System.Diagnostics;
using System.Globalization;
using System.Text;

namespace SuperSlab;

/// <summary>
/// The steps for one kind of range, how far down them this machine has come, and why. The first SuperSlab that a step
/// provides verifies it. A step that lied, or that can never work here, is left for good; one that failed for want of
/// something (a pool was dry) is left for that range only.
/// </summary>
internal sealed class PrefaultChain
{
    private const long FewestCountedPages = 32;

    private readonly VirtualMemory _os;
    private readonly Lock _lock = new();
    private readonly PrefaultStepRecord[] _records;
    private readonly string _preface;

    /// <param name="os">The system that does the steps.</param>
    /// <param name="steps">In the order of trying.</param>
    /// <param name="preface">The description's beginning: what was asked for and is in no step. Or empty.</param>
    public PrefaultChain(VirtualMemory os, PrefaultStep[] steps, string preface)
    {
        _os = os;
        _preface = preface;
        _records = Array.ConvertAll(steps, static step => new PrefaultStepRecord(step));
    }

    public int StepCount => _records.Length;

    /// <summary>Why the last step that failed did.</summary>
    public string LastFailure { get; private set; } = "no policy makes sense on this system";

    public PrefaultStep StepAt(int index) => _records[index].Step;

    /// <summary>The first step from an index on that may work; <see cref="StepCount"/> when there is none.</summary>
    public int NextToTry(int index)
    {
        lock (_lock)
        {
            while (index < _records.Length && _records[index].IsLeft)
                index++;

            return index;
        }
    }

    /// <summary>Whether the step is verified. If not, its first SuperSlab goes to <see cref="TryVerify"/>.</summary>
    public bool IsVerified(int index)
    {
        lock (_lock)
            return _records[index].Verification is not null;
    }

    /// <summary>Checks whether writes to a range that the step has just provided fault.</summary>
    public bool TryVerify(int index, nint address, nuint bytes, out PrefaultFailure failure)
    {
        failure = default;
        PrefaultStep step = StepAt(index);
        if (step.Policy == PrefaultPolicy.None)
            return Note(index, "as asked");

        long pages = (long)(bytes / _os.Facts.PageBytes);
        long left = PagesLeft(step, address, bytes);
        string seen = "would fault";
        if (left < 0)
        {
            if (!_os.FaultCounter.IsSupported)
                return Note(index, "not verified, as this system does not tell");

            if (pages < FewestCountedPages)
                return Note(index, verification: null); // a larger range will verify it

            left = CountedWritePass(address, bytes, pages);
            seen = "faulted in a counted write pass";
        }

        string figures = $"{Sizes.Number(left)} of {Sizes.Number(pages)} pages {seen}";
        if (left > 0)
        {
            failure = new PrefaultFailure("said it was done, but " + figures, IsLasting: true);
            return false;
        }

        long huge = step.Pages == PageKind.Normal ? -1 : _os.HugePageBytesBehind(address, bytes);
        if (huge == 0 && step.Pages == PageKind.TransparentHuge && _os.Facts.TransparentHugePages == PlatformFacts.Unread)
        {
            string reason = _os.SettingOf(step.Pages) + ", and no huge page came";
            failure = new PrefaultFailure(reason, IsLasting: true, IsForPages: true);
            return false;
        }

        return Note(
            index, huge < 0 ? figures : $"{figures}, {Sizes.Text((nuint)huge)} of {Sizes.Text(bytes)} in huge pages");
    }

    /// <summary>Records that the step failed for one range.</summary>
    /// <returns>The index of the next step to try.</returns>
    public int Fell(int index, PrefaultFailure failure, bool failedForPages)
    {
        Debug.Assert(index < _records.Length && failure.Reason.Length != 0, "A step failed, and said why.");
        lock (_lock)
        {
            LastFailure = failure.Reason;
            PageKind pages = StepAt(index).Pages;
            do
            {
                _records[index].Failure = failure.Reason;
                _records[index].FailedForPages = failedForPages;
                _records[index].IsLeft |= failure.IsLasting;
                _records[index].FallenCount++;
                index++;
            }
            while (failedForPages && index < _records.Length && StepAt(index).Pages == pages);
        }

        return NextToTry(index);
    }

    /// <summary>For the user: each kind of pages and each policy that was tried, with its outcome.</summary>
    public string Describe()
    {
        var text = new StringBuilder(_preface);
        int unused = text.Length;
        lock (_lock)
        {
            PageKind described = PageKind.Automatic;
            foreach (PrefaultStepRecord record in _records)
            {
                if (record.Failure is null && !record.WasUsed)
                    continue; // never reached

                if (record.Step.Pages != described)
                {
                    described = record.Step.Pages;
                    AppendPages(text, record);
                }

                if (!record.FailedForPages)
                    AppendPolicy(text, record);
            }
        }

        if (text.Length == unused)
            Append(text, "prefault", "nothing yet");

        if (_os.RefusedHints is { } hints)
            Append(text, "hints refused", hints);

        return text.ToString();
    }

    /// <summary>The steps in their order: pages and policy; "in force", "left" or "not tried"; and why.</summary>
    public IReadOnlyList<(string Name, string Outcome, string Reason)> Steps()
    {
        lock (_lock)
        {
            return [.. _records.Select(record => (
                $"{_os.NameOf(record.Step.Policy)} on {_os.NameOf(record.Step.Pages)}",
                record.Outcome,
                record.Failure ?? record.Verification ?? (record.WasUsed ? PrefaultStepRecord.TooSmall : "")))];
        }
    }

    /// <summary>
    /// Asks the system which pages would fault. It may take one back, or move one, before it is asked: only what the
    /// step leaves twice counts.
    /// </summary>
    private long PagesLeft(PrefaultStep step, nint address, nuint bytes)
    {
        long left = _os.PagesThatWouldFault(address, bytes);
        bool isAnother = left > 0 && _os.TryPopulate(address, bytes, step, out _);
        return isAnother ? _os.PagesThatWouldFault(address, bytes) : left;
    }

    private void AppendPages(StringBuilder text, PrefaultStepRecord record)
    {
        string name = _os.NameOf(record.Step.Pages);
        if (record.FailedForPages)
            Append(text, name, record.Failure! + record.Fallen);
        else if (record.Step.Pages != PageKind.Normal)
            Append(text, name, _os.SettingOf(record.Step.Pages) is { } setting ? setting + ", ok" : "ok");
    }

    private void AppendPolicy(StringBuilder text, PrefaultStepRecord record)
    {
        string name = _os.NameOf(record.Step.Policy) + (record.Step.Pages == PageKind.Normal ? " on normal pages" : "");
        string? ok = record.WasUsed ? "ok, " + (record.Verification ?? PrefaultStepRecord.TooSmall) : null;
        string? failed = record.Failure is null ? null : record.Failure + record.Fallen;
        Append(text, name, ok is null || failed is null ? ok + failed : $"{ok}; later {failed}");
    }

    private static void Append(StringBuilder text, string name, string outcome) =>
        text.Append(text.Length == 0 ? string.Empty : "; ").Append(name).Append(": ").Append(outcome);

    private bool Note(int index, string? verification)
    {
        lock (_lock)
        {
            _records[index].Verification ??= verification;
            _records[index].WasUsed = true;
        }

        return true;
    }

    /// <summary>
    /// Writes to every page and counts the faults. It forgives a few, which may be the runtime's own or another
    /// thread's: a policy that lies does so for most of the range.
    /// </summary>
    private long CountedWritePass(nint address, nuint bytes, long pages)
    {
        FaultCounter counter = _os.FaultCounter;
        long before = counter.OfThread();
        PageToucher.Touch(address, bytes, _os.Facts.PageBytes);
        long taken = counter.OfThread() - before;
        return taken <= pages / 8 ? 0 : taken;
    }
}

/// <summary>What became of one step of a chain so far. The chain's lock guards it.</summary>
internal sealed class PrefaultStepRecord(PrefaultStep step)
{
    public const string TooSmall = "ranges are too small to verify by counting";

    public PrefaultStep Step { get; } = step;

    public string? Verification { get; set; } // what the check of the first SuperSlab found

    public bool WasUsed { get; set; } // it provided a range, verified or not

    public string? Failure { get; set; } // the last one

    public bool FailedForPages { get; set; } // there were no such pages, whatever the policy

    public bool IsLeft { get; set; } // it is not to be tried again

    public long FallenCount { get; set; } // ranges that fell through it to the next step

    public string Outcome => IsLeft || (Failure is not null && !WasUsed) ? "left" : WasUsed ? "in force" : "not tried";

    /// <summary>How many ranges fell through it, in words; empty where that is clear.</summary>
    public string Fallen => IsLeft || FallenCount <= 1
        ? string.Empty
        : $" ({Sizes.Number(FallenCount)} ranges took the next)";
}
