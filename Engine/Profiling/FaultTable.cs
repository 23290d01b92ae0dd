namespace Engine.Profiling;

/// <summary>Makes the tables of faults by owner and by frame. Cold.</summary>
internal sealed class FaultTable(IReadOnlyList<ObservedThread> threads, FaultTotals totals, FrameTimes frames, CallSites callSites)
{
    public ProfileFaults Make()
    {
        List<ProfileFaultOwner> owners = [];
        for (int number = 0; number < totals.Count; number++)
        {
            FaultOwner owner = totals.OwnerAt(number);
            owners.Add(new ProfileFaultOwner(owner.Kind, owner.Describe(), totals.CountAt(number), callSites.Describe(totals.FirstAt(number))));
        }

        AddUnrecorded(owners);
        owners.Sort(static (left, right) => right.Count.CompareTo(left.Count));
        List<ProfileFrameFaults> byFrame = [];
        foreach (((long frame, int number), long count) in totals.ByFrame(frames))
        {
            FaultOwner owner = totals.OwnerAt(number);
            byFrame.Add(new ProfileFrameFaults(frame, owner.Kind, owner.Describe(), count));
        }

        return new ProfileFaults { Unavailable = Unavailable(), KernelCount = Sum(static thread => thread.KernelCount), Owners = owners, Frames = byFrame };
    }

    /// <summary>What was counted and not recorded one by one.</summary>
    private void AddUnrecorded(List<ProfileFaultOwner> owners)
    {
        foreach (ObservedThread thread in threads)
        {
            if (thread.Unavailable.Length != 0)
            {
                Add(FaultKinds.Thread, thread.Name, thread.KernelCount);
                continue;
            }

            string what = thread.SeesKernel
                ? "pages that a call of the thread asked for, such as a populating one"
                : "pages that a call of the thread asked for, or that the kernel touched in it";
            Add(FaultKinds.Populated, what, Math.Max(0, thread.KernelCount - thread.RecordedCount));
            Add(FaultKinds.Lost, "faults that found no room in the ring", thread.LostCount);
        }

        void Add(string kind, string name, long count)
        {
            int at = owners.FindIndex(owner => owner.Kind == kind && owner.Name == name);
            if (at >= 0)
            {
                owners[at] = owners[at] with { Count = owners[at].Count + count };
            }
            else if (count != 0 || kind == FaultKinds.Thread)
            {
                owners.Add(new ProfileFaultOwner(kind, name, count, ""));
            }
        }
    }

    /// <summary>Why faults are only counted, where that is so for every thread; for one of several its row says so.</summary>
    private string Unavailable()
    {
        string reason = threads.Count == 0 ? "no thread was observed" : threads[0].Unavailable;
        foreach (ObservedThread thread in threads)
        {
            reason = thread.Unavailable.Length == 0 ? "" : reason;
        }

        return reason;
    }

    private long Sum(Func<ObservedThread, long> figure)
    {
        long sum = 0;
        foreach (ObservedThread thread in threads)
        {
            sum += figure(thread);
        }

        return sum;
    }
}
