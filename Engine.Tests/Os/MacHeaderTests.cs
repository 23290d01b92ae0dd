using System.Reflection;

namespace Engine.Tests.Os;

/// <summary>
/// What the engine takes from the header files of macOS, held against what these files say (xnu as Apple publishes it,
/// read on 2026-11-28). No macOS was there to compile them; a number that is wrong here would be refused or
/// misunderstood by the system, and nobody would see it before.
/// </summary>
internal sealed class MacHeaderTests
{
    [TestCase("MAP_ANON", 0x1000, "bsd/sys/mman.h")]
    [TestCase("MAP_NORESERVE", 0x0040, "bsd/sys/mman.h")]
    [TestCase("MAP_FIXED", 0x0010, "bsd/sys/mman.h")]
    [TestCase("PROT_READ | PROT_WRITE", 0x01 | 0x02, "bsd/sys/mman.h")]
    [TestCase("MADV_FREE_REUSABLE", 7, "bsd/sys/mman.h")]
    [TestCase("EAGAIN", 35, "bsd/sys/errno.h")]
    [TestCase("EINVAL", 22, "bsd/sys/errno.h")]
    [TestCase("ENOMEM", 12, "bsd/sys/errno.h")]
    [TestCase("VM_INHERIT_NONE", 2, "osfmk/mach/vm_inherit.h")]
    [TestCase("VM_FLAGS_SUPERPAGE_SIZE_2MB", 2 << 16, "osfmk/mach/vm_statistics.h")]
    [TestCase("TASK_EVENTS_INFO", 2, "osfmk/mach/task_info.h")]
    [TestCase("TASK_EVENTS_INFO_COUNT", 8, "osfmk/mach/task_info.h")]
    [TestCase("MACH_TASK_BASIC_INFO", 20, "osfmk/mach/task_info.h")]
    [TestCase("UL_COMPARE_AND_WAIT", 1, "bsd/sys/ulock.h")]
    [TestCase("ULF_WAKE_ALL", 0x100, "bsd/sys/ulock.h")]
    public void A_number_of_macOS_is_that_of_its_header(string name, int number, string header) =>
        Assert.That(OfEngine(name), Is.EqualTo(number), $"{name} of {header}");

    /// <summary>mach_task_basic_info: three mach_vm_size_t (virtual, resident, its maximum), two time_value_t of two
    /// integers each, a policy_t and an integer_t; the count is in natural_t, which has 4 bytes.</summary>
    [Test]
    public void A_structure_of_macOS_has_the_size_of_its_header() =>
        Assert.That(
            ConstantOf(typeof(MacFunctions), "BasicCount") * 4,
            Is.EqualTo((3 * sizeof(ulong)) + (2 * 2 * sizeof(int)) + (2 * sizeof(int))));

    private static int OfEngine(string name) => name switch
    {
        "MAP_ANON" => PosixConstants.Mac.MapAnonymous,
        "MAP_NORESERVE" => PosixConstants.Mac.MapNoReserve,
        "MAP_FIXED" => PosixConstants.MapFixed,
        "PROT_READ | PROT_WRITE" => PosixConstants.ProtectReadWrite,
        "MADV_FREE_REUSABLE" => ConstantOf(typeof(MacVirtualMemory), "AdviseFreeReusable"),
        "EAGAIN" => PosixConstants.Mac.ErrorTryAgain,
        "EINVAL" => Errno.Invalid,
        "ENOMEM" => Errno.OutOfMemory,
        "VM_INHERIT_NONE" => ConstantOf(typeof(MacVirtualMemory), "InheritNone"),
        "VM_FLAGS_SUPERPAGE_SIZE_2MB" => ConstantOf(typeof(MacVirtualMemory), "Superpage2MiB"),
        "TASK_EVENTS_INFO" => ConstantOf(typeof(MacFunctions), "EventsFlavor"),
        "TASK_EVENTS_INFO_COUNT" => ConstantOf(typeof(MacFunctions), "EventsCount"),
        "MACH_TASK_BASIC_INFO" => ConstantOf(typeof(MacFunctions), "BasicFlavor"),
        "UL_COMPARE_AND_WAIT" => ConstantOf(typeof(AddressWait), "CompareAndWait"),
        "ULF_WAKE_ALL" => ConstantOf(typeof(AddressWait), "WakeAllFlag"),
        _ => throw new ArgumentException($"No number of the engine is called {name}.", nameof(name)),
    };

    private static int ConstantOf(Type type, string name) =>
        (int)type.GetField(name, BindingFlags.NonPublic | BindingFlags.Static)!.GetRawConstantValue()!;
}
