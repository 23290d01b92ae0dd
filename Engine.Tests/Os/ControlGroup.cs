namespace Engine.Tests.Os;

/// <summary>
/// A control group with a limit, which this process is in while it lives. The test is skipped where none can be made:
/// it takes root and the controller.
/// </summary>
internal sealed class ControlGroup : IDisposable
{
    private readonly string _folder;
    private readonly string _before;

    private ControlGroup(string root, string own, params (string File, string Value)[] limits)
    {
        _folder = $"{root}/superslab-test-{Environment.ProcessId}";
        _before = $"{root}{own}";
        try
        {
            Directory.CreateDirectory(_folder);
            foreach ((string file, string value) in limits)
                File.WriteAllText($"{_folder}/{file}", value);

            Enter(_folder);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            if (Directory.Exists(_folder))
                Directory.Delete(_folder);

            Assume.That(false, $"no control group can be made here: {exception.Message}");
        }
    }

    /// <summary>Huge pages of 2 MiB up to so many bytes (version 2).</summary>
    public static ControlGroup OfHugePages(long bytes)
    {
        string root = File.Exists("/sys/fs/cgroup/unified/cgroup.controllers")
            ? "/sys/fs/cgroup/unified"
            : "/sys/fs/cgroup";
        string controllers = root + "/cgroup.controllers";
        bool isThere = File.Exists(controllers)
            && File.ReadAllText(controllers).Contains("hugetlb", StringComparison.Ordinal);
        Assume.That(isThere, "there is no hugetlb controller");
        try
        {
            File.WriteAllText(root + "/cgroup.subtree_control", "+hugetlb");
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            Assume.That(false, $"the hugetlb controller cannot be used here: {exception.Message}");
        }

        return new ControlGroup(root, PathOf("0::"), ("hugetlb.2MB.max", bytes.ToString(provider: null)));
    }

    /// <summary>Memory up to so many bytes (version 1 or 2).</summary>
    public static ControlGroup OfMemory(long bytes)
    {
        string limit = bytes.ToString(provider: null);
        if (Directory.Exists("/sys/fs/cgroup/memory"))
            return new("/sys/fs/cgroup/memory", PathOf(":memory:"), ("memory.limit_in_bytes", limit));

        Assume.That(File.Exists("/sys/fs/cgroup/cgroup.controllers"), "there are no control groups");
        return new("/sys/fs/cgroup", PathOf("0::"), ("memory.max", limit));
    }

    /// <summary>A number that the group's files say.</summary>
    public long Read(string file) => long.Parse(File.ReadAllText($"{_folder}/{file}"), null);

    public bool Has(string file) => File.Exists($"{_folder}/{file}");

    public void Dispose()
    {
        Enter(_before);
        Directory.Delete(_folder);
    }

    private static void Enter(string folder) =>
        File.WriteAllText(folder + "/cgroup.procs", Environment.ProcessId.ToString(provider: null));

    private static string PathOf(string label)
    {
        string line = File.ReadLines("/proc/self/cgroup").FirstOrDefault(line =>
            line.Contains(label, StringComparison.Ordinal)) ?? label;
        return line[(line.IndexOf(label, StringComparison.Ordinal) + label.Length)..].TrimEnd('/');
    }
}
