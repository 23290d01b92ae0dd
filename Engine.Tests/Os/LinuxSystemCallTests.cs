using System.Runtime.InteropServices;

namespace Engine.Tests.Os;

/// <summary>The table of Linux's system-call numbers, against the kernel's own headers.</summary>
internal sealed class LinuxSystemCallTests
{
    [TestCase(LinuxCall.Futex, 202, 98, 240, 240)]
    [TestCase(LinuxCall.MemoryBind, 237, 235, 274, 319)]
    [TestCase(LinuxCall.PerfEventOpen, 298, 241, 336, 364)]
    public void Each_call_has_its_number_on_each_processor(object call, int x64, int generic, int x86, int arm)
    {
        using (Assert.EnterMultipleScope())
        {
            Assert.That(LinuxSystemCall.NumberOf((LinuxCall)call, Architecture.X64), Is.EqualTo(x64));
            Assert.That(LinuxSystemCall.NumberOf((LinuxCall)call, Architecture.Arm64), Is.EqualTo(generic));
            Assert.That(LinuxSystemCall.NumberOf((LinuxCall)call, Architecture.RiscV64), Is.EqualTo(generic));
            Assert.That(LinuxSystemCall.NumberOf((LinuxCall)call, Architecture.LoongArch64), Is.EqualTo(generic));
            Assert.That(LinuxSystemCall.NumberOf((LinuxCall)call, Architecture.X86), Is.EqualTo(x86));
            Assert.That(LinuxSystemCall.NumberOf((LinuxCall)call, Architecture.Arm), Is.EqualTo(arm));
        }
    }

    [Test]
    public void A_processor_that_is_not_in_the_table_has_no_call([Values] LinuxCall call) =>
        Assert.That(LinuxSystemCall.NumberOf(call, Architecture.S390x), Is.Null);

    [Test]
    public void Without_the_C_librarys_function_no_call_is_available([Values] LinuxCall call)
    {
        using HidingContext context = new("syscall");
        Assert.That(new LinuxSystemCall(context, call).IsAvailable, Is.False);
        Assert.That(
            new LinuxSystemCall(new SystemLibraries(), call).IsAvailable, Is.EqualTo(OperatingSystem.IsLinux()));
    }
}
