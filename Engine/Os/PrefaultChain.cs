using System.Globalization;
using System.Text;

namespace SuperSlab;

/// <summary>
/// The steps for one kind of range, how far down them this machine has come, and why. A step is verified with the first
/// SuperSlab that it provides. One that lied, or that can never work here, is left for good; one that failed for want of
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
    /// <param name="preface">What the description begins with: what was asked for and is in no step. Or empty.</param>
    public PrefaultChain(VirtualMemory os, PrefaultStep[] steps, string preface)
    {
        _os = os;
        _preface = preface;
        _records = new PrefaultStepRecord[steps.Length];
        for (int i = 0; i < steps.Length; i++)
            _records[i] = new PrefaultStepRecord(steps[i]);
    }

    public int StepCount => _records.Length;

    /// <summary>Why the last step that failed did.</summary>
    public string LastFailure { get; private set; } = "no policy makes sense on this system";

    public PrefaultStep StepAt(int index) => _records[index].Step;

    /// <summary>The first step from <paramref name="index"/> on that is worth trying; <see cref="StepCount"/> when there is none.</summary>
    public int NextToTry(int index)
    {
        lock (_lock)
        {
            while (index < _records.Length && _records[index].IsLeft)
                index++;

            return index;
        }
    }

    /// <summary>Whether the step has proved itself; until then the caller shows its first SuperSlab to <see cref="TryVerify"/>.</summary>
    public bool IsVerified(int index)
    {
        lock (_lock)
            return _records[index].Verification is not null;
    }

    /// <summary>Looks at a range that the step has just provided: would, or do, writes to it fault?</summary>
    public bool TryVerify(int index, nint address, nuint bytes, out PrefaultFailure failure)
    {
        failure = default;
        PrefaultStep step = StepAt(index);
        if (step.Policy == PrefaultPolicy.None)
            return NoteVerified(index, "as asked");

        long pages = (long)(bytes / _os.Facts.PageBytes);
        long left = _os.PagesThatWouldFault(address, bytes);
        string seen = "would fault";
        if (left < 0)
        {
            if (!_os.FaultCounter.IsSupported)
                return NoteVerified(index, "not verified, as this system does not tell");

            if (pages < FewestCountedPages)
            {
                return NoteUse(index); // to be verified with a larger range
            }

            left = CountedWritePass(address, bytes, pages);
            seen = "faulted in a counted write pass";
        }

        string figures = string.Create(CultureInfo.InvariantCulture, $"{left} of {pages} pages {seen}");
        if (left > 0)
        {
            failure = new PrefaultFailure("said it was done, but " + figures, IsLasting: true);
            return false;
        }

        long huge = step.Pages == PageKind.Normal ? -1 : _os.HugePageBytesBehind(address, bytes);
        return NoteVerified(index, huge < 0 ? figures : $"{figures}, {huge >> 20} of {bytes >> 20} MiB in huge pages");
    }

    /// <summary>The step failed for one range; the next one is tried.</summary>
    /// <returns>The index of the next step to try.</returns>
    public int Fell(int index, PrefaultFailure failure, bool failedForPages)
    {
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

    /// <summary>
    /// For the user: each kind of pages and each policy that was tried, what it said, down to the one in use.
    /// </summary>
    public string Describe()
    {
        var text = new StringBuilder(_preface);
        int unused = text.Length;
        lock (_lock)
        {
            PageKind described = PageKind.Automatic;
            foreach (PrefaultStepRecord record in _records)
            {
                if (record.Failure is null && record.Verification is null && !record.WasUsed)
                {
                    continue; // never reached
                }

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

        return text.ToString();
    }

    /// <summary>The steps in their order: pages and policy; "in force", "left" or "not tried"; and why.</summary>
    public IReadOnlyList<(string Name, string Outcome, string Reason)> Steps()
    {
        lock (_lock)
        {
            return [.. _records.Select(record => (
                $"{_os.NameOf(record.Step.Policy)} on {_os.NameOf(record.Step.Pages)}",
                record.IsLeft ? "left" : record.Verification is not null || record.WasUsed ? "in force" : record.Failure is not null ? "left" : "not tried",
                record.Failure ?? record.Verification ?? (record.WasUsed ? "ranges are too small to verify by counting" : "")))];
        }
    }

    private void AppendPages(StringBuilder text, PrefaultStepRecord record)
    {
        if (record.FailedForPages)
        {
            Append(text, _os.NameOf(record.Step.Pages), record.Failure! + Fallen(record));
        }
        else if (record.Step.Pages != PageKind.Normal)
        {
            string? setting = _os.SettingOf(record.Step.Pages);
            Append(text, _os.NameOf(record.Step.Pages), setting is null ? "ok" : setting + ", ok");
        }
    }

    private void AppendPolicy(StringBuilder text, PrefaultStepRecord record)
    {
        string name = record.Step.Pages == PageKind.Normal
            ? $"{_os.NameOf(record.Step.Policy)} on normal pages"
            : _os.NameOf(record.Step.Policy);
        string unverified = record.WasUsed ? "ok, ranges are too small to verify by counting" : string.Empty;
        string ok = record.Verification is null ? unverified : "ok, " + record.Verification;
        string failed = record.Failure is null ? string.Empty : record.Failure + Fallen(record);
        Append(text, name, ok.Length == 0 || failed.Length == 0 ? ok + failed : $"{ok}; later {failed}");
    }

    private static string Fallen(PrefaultStepRecord record) =>
        record.IsLeft || record.FallenCount <= 1
            ? string.Empty
            : string.Create(CultureInfo.InvariantCulture, $" ({record.FallenCount} ranges took the next)");

    private static void Append(StringBuilder text, string name, string outcome) =>
        text.Append(text.Length == 0 ? string.Empty : "; ").Append(name).Append(": ").Append(outcome);

    private bool NoteVerified(int index, string finding)
    {
        lock (_lock)
            _records[index].Verification ??= finding;

        return true;
    }

    private bool NoteUse(int index)
    {
        lock (_lock)
            _records[index].WasUsed = true;

        return true;
    }

    /// <summary>
    /// Writes to every page and counts. A few faults are forgiven, which are the runtime's own or another thread's: a
    /// policy that lies does so for most of the range.
    /// </summary>
    private long CountedWritePass(nint address, nuint bytes, long pages)
    {
        IFaultCounter counter = _os.FaultCounter;
        long before = counter.OfThread();
        PageToucher.Touch(address, bytes, _os.Facts.PageBytes);
        long taken = counter.OfThread() - before;
        return taken <= pages / 8 ? 0 : taken;
    }
}

/// <summary>
/// Which policy makes sense with which kind of pages, on which systems; and in which order steps are tried.
/// This is the whole of the decision; whether a step works on the machine at hand is tried, not looked up.
/// </summary>
internal static class PrefaultTable
{
    private const SystemKinds All = SystemKinds.Linux | SystemKinds.Windows | SystemKinds.Mac | SystemKinds.OtherPosix;
    private const SystemKinds Linux = SystemKinds.Linux;
    private const SystemKinds Windows = SystemKinds.Windows;
    private const SystemKinds Never = SystemKinds.None;

    // Explicit huge pages are never touched before they were populated by a call that can answer "there is none left":
    // a touch would be answered by SIGBUS, which kills the process. So they go with three policies only.
    // On macOS they are superpages, wired when they are mapped; on Windows large pages are resident when they are reserved,
    // which is before any prefault (see VirtualMemory.TryReserveExplicitHuge).
    private static readonly Row[] Rows =
    [
        //  policy                              normal           transparent  explicit
        new(PrefaultPolicy.None,                All,             Linux,       Never),
        new(PrefaultPolicy.Touch,               All,             Linux,       SystemKinds.Mac),
        new(PrefaultPolicy.Clear,               All,             Linux,       SystemKinds.Mac),
        new(PrefaultPolicy.PopulateAtMapping,   Linux,           Linux,       Linux),
        new(PrefaultPolicy.PopulateWrite,       Linux,           Linux,       Linux),
        new(PrefaultPolicy.Lock,                All,             Linux,       Linux),
        new(PrefaultPolicy.Prefetch,            Windows,         Never,       Never),
    ];

    // Fastest first, as measured (microseconds per MiB on Linux: populate 33-61 on huge pages, 108-237 on normal ones, where the
    // two populates are the same; touch 40-122 and 224-348).
    private static readonly PrefaultPolicy[] AutomaticPolicies =
        [PrefaultPolicy.PopulateWrite, PrefaultPolicy.PopulateAtMapping, PrefaultPolicy.Touch];

    /// <summary>Whether the combination makes sense on the system; nothing is tried.</summary>
    public static bool MakesSense(PrefaultStep step, SystemKinds system)
    {
        foreach (Row row in Rows)
        {
            if (row.Policy == step.Policy)
            {
                SystemKinds systems = step.Pages switch
                {
                    PageKind.Normal => row.Normal,
                    PageKind.TransparentHuge => row.Transparent,
                    PageKind.ExplicitHuge => row.Explicit,
                    _ => Never,
                };
                return (systems & system) != 0;
            }
        }

        return false;
    }

    /// <summary>
    /// The steps for what the user asked, in the order of trying. The kind of pages asked for comes first, then the lesser
    /// kinds; within a kind the policy asked for, then the automatic ones. No prefault asked for is no fallback either.
    /// </summary>
    public static PrefaultStep[] Chain(SystemKinds system, PrefaultPolicy policy, PageKind pages)
    {
        ReadOnlySpan<PageKind> kinds = pages switch
        {
            PageKind.ExplicitHuge => [PageKind.ExplicitHuge, PageKind.TransparentHuge, PageKind.Normal],
            PageKind.Normal => [PageKind.Normal],
            _ => [PageKind.TransparentHuge, PageKind.Normal],
        };
        var steps = new List<PrefaultStep>();
        foreach (PageKind kind in kinds)
        {
            AddIfSensible(steps, system, new(kind, policy));
            foreach (PrefaultPolicy next in policy == PrefaultPolicy.None ? [] : AutomaticPolicies)
            {
                // Mapped populated, transparent huge pages must be collapsed afterwards, which is slower than touching them.
                bool isSlow = kind == PageKind.TransparentHuge && next == PrefaultPolicy.PopulateAtMapping;
                if (next != policy && !isSlow)
                    AddIfSensible(steps, system, new(kind, next));
            }
        }

        return [.. steps];
    }

    private static void AddIfSensible(List<PrefaultStep> steps, SystemKinds system, PrefaultStep step)
    {
        if (MakesSense(step, system))
            steps.Add(step);
    }

    private readonly record struct Row(PrefaultPolicy Policy, SystemKinds Normal, SystemKinds Transparent, SystemKinds Explicit);
}
