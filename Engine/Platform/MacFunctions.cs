using Silk.NET.Core.Contexts;

namespace Engine.Platform;

/// <summary>
/// task_info of the Mach kernel (mach/task_info.h): resident memory, and the faults of the process. Absent functions make
/// every answer 0.
/// </summary>
internal sealed unsafe class MacFunctions
{
    private const int EventsFlavor = 2; // TASK_EVENTS_INFO: eight 32-bit counts, the first is faults
    private const int EventsCount = 8;
    private const int BasicFlavor = 20; // MACH_TASK_BASIC_INFO: virtual, resident, highest resident size as 64-bit, and more
    private const int BasicCount = 12;

    private readonly delegate* unmanaged<uint, int, int*, uint*, int> _taskInfo;
    private readonly uint _thisTask;

    public MacFunctions(INativeContext context)
    {
        if (context.TryGetProcAddress("task_info", out nint taskInfo) && context.TryGetProcAddress("mach_task_self_", out nint thisTask))
        {
            _taskInfo = (delegate* unmanaged<uint, int, int*, uint*, int>)taskInfo;
            _thisTask = *(uint*)thisTask;
        }
    }

    public bool IsPresent => _taskInfo != null;

    public long Faults()
    {
        int* events = stackalloc int[EventsCount];
        uint count = EventsCount;
        return IsPresent && _taskInfo(_thisTask, EventsFlavor, events, &count) == 0 ? (uint)events[0] : 0;
    }

    public void ReadResident(out nuint resident, out nuint peak)
    {
        ulong* basic = stackalloc ulong[BasicCount / 2];
        uint count = BasicCount;
        bool isRead = IsPresent && _taskInfo(_thisTask, BasicFlavor, (int*)basic, &count) == 0;
        resident = isRead ? (nuint)basic[1] : 0;
        peak = isRead ? (nuint)basic[2] : 0;
    }
}
