using Silk.NET.Vulkan;
using Buffer = Silk.NET.Vulkan.Buffer;

namespace Engine.Tests.Interop;

/// <summary>
/// From instance to its end on the first device: a buffer that the device fills, and, if wanted, a barrier behind it
/// and a compute pipeline.
/// </summary>
internal sealed unsafe class VulkanLife(
    Vk vk, AllocationCallbacks callbacks, bool compiles, Action? onDevice = null)
{
    private const uint Value = 0xC0FFEE;
    private const uint Bytes = 4096;

    /// <summary>A compute shader that does nothing, as SPIR-V.</summary>
    private static readonly uint[] s_shader =
    [
        0x07230203, 0x00010000, 0, 5, 0,
        0x00020011, 1,
        0x0003000E, 0, 1,
        0x0005000F, 5, 4, 0x6E69616D, 0,
        0x00060010, 4, 17, 1, 1, 1,
        0x00020013, 2,
        0x00030021, 3, 2,
        0x00050036, 2, 4, 0, 3,
        0x000200F8, 1,
        0x000100FD,
        0x00010038,
    ];

    private AllocationCallbacks _callbacks = callbacks;
    private Instance _instance;
    private PhysicalDevice _physical;
    private Device _device;
    private Buffer _buffer;
    private DeviceMemory _memory;
    private CommandPool _pool;
    private Fence _fence;
    private ShaderModule _shader;
    private PipelineLayout _layout;
    private Pipeline _pipeline;

    /// <returns>The first result that is no success, else whether the device filled the buffer.</returns>
    public Result Run(out bool isFilled)
    {
        isFilled = false;
        fixed (AllocationCallbacks* allocator = &_callbacks)
        {
            Result result = Begin(allocator);
            if (result == Result.Success)
                result = Fill(allocator, out isFilled);

            if (result == Result.Success && compiles)
                result = Compile(allocator);

            End(allocator);
            return result;
        }
    }

    private Result Begin(AllocationCallbacks* allocator)
    {
        ApplicationInfo application = new(apiVersion: Vk.Version10);
        InstanceCreateInfo info = new(pApplicationInfo: &application);
        Result result = vk.CreateInstance(&info, allocator, out _instance);
        if (result != Result.Success)
            return result;

        uint count = 1;
        PhysicalDevice physical;
        result = vk.EnumeratePhysicalDevices(_instance, &count, &physical);
        if (result is not (Result.Success or Result.Incomplete) || count == 0)
            return result == Result.Success ? Result.ErrorInitializationFailed : result;

        _physical = physical;
        onDevice?.Invoke();
        float priority = 1;
        DeviceQueueCreateInfo queue = new(queueFamilyIndex: 0, queueCount: 1, pQueuePriorities: &priority);
        DeviceCreateInfo device = new(queueCreateInfoCount: 1, pQueueCreateInfos: &queue);
        return vk.CreateDevice(_physical, &device, allocator, out _device);
    }

    private Result Fill(AllocationCallbacks* allocator, out bool isFilled)
    {
        isFilled = false;
        BufferCreateInfo buffer = new(size: Bytes, usage: BufferUsageFlags.TransferDstBit);
        Result result = vk.CreateBuffer(_device, &buffer, allocator, out _buffer);
        if (result != Result.Success)
            return result;

        vk.GetBufferMemoryRequirements(_device, _buffer, out MemoryRequirements needs);
        MemoryAllocateInfo memory = new(allocationSize: needs.Size, memoryTypeIndex: 0);
        result = vk.AllocateMemory(_device, &memory, allocator, out _memory);
        result = result != Result.Success ? result : vk.BindBufferMemory(_device, _buffer, _memory, 0);
        CommandPoolCreateInfo pool = new(queueFamilyIndex: 0);
        result = result != Result.Success ? result : vk.CreateCommandPool(_device, &pool, allocator, out _pool);
        FenceCreateInfo fence = new(flags: 0);
        result = result != Result.Success ? result : vk.CreateFence(_device, &fence, allocator, out _fence);
        CommandBufferAllocateInfo commands = new(
            commandPool: _pool, level: CommandBufferLevel.Primary, commandBufferCount: 1);
        CommandBuffer command = default;
        result = result != Result.Success ? result : vk.AllocateCommandBuffers(_device, &commands, &command);
        CommandBufferBeginInfo begin = new(flags: CommandBufferUsageFlags.OneTimeSubmitBit);
        result = result != Result.Success ? result : vk.BeginCommandBuffer(command, &begin);
        if (result != Result.Success)
            return result;

        vk.CmdFillBuffer(command, _buffer, 0, Bytes, Value);
        if (compiles)
            Wait(command);

        result = vk.EndCommandBuffer(command);
        vk.GetDeviceQueue(_device, 0, 0, out Queue queue);
        SubmitInfo submit = new(commandBufferCount: 1, pCommandBuffers: &command);
        result = result != Result.Success ? result : vk.QueueSubmit(queue, 1, &submit, _fence);
        Fence waited = _fence;
        result = result != Result.Success ? result : vk.WaitForFences(_device, 1, &waited, true, ulong.MaxValue);
        void* mapped = null;
        result = result != Result.Success ? result : vk.MapMemory(_device, _memory, 0, Vk.WholeSize, 0, &mapped);
        isFilled = result == Result.Success && new Span<uint>(mapped, (int)Bytes / 4).IndexOfAnyExcept(Value) < 0;
        return result;
    }

    /// <summary>
    /// Mesa's drivers ask for 0 bytes for each kind of barrier that is not there. Where one is refused, Mesa 22.3 frees
    /// what it never had, and dies: such a life must not be refused.
    /// </summary>
    private void Wait(CommandBuffer command)
    {
        MemoryBarrier barrier = new(
            srcAccessMask: AccessFlags.TransferWriteBit, dstAccessMask: AccessFlags.HostReadBit);
        vk.CmdPipelineBarrier(
            command, PipelineStageFlags.TransferBit, PipelineStageFlags.HostBit, 0, 1, &barrier, 0, null, 0, null);
    }

    private Result Compile(AllocationCallbacks* allocator)
    {
        PipelineLayoutCreateInfo layout = new(setLayoutCount: 0);
        Result result = vk.CreatePipelineLayout(_device, &layout, allocator, out _layout);
        if (result != Result.Success)
            return result;

        fixed (uint* code = s_shader)
        fixed (byte* main = "main\0"u8)
        {
            ShaderModuleCreateInfo shader = new(codeSize: (nuint)s_shader.Length * sizeof(uint), pCode: code);
            result = vk.CreateShaderModule(_device, &shader, allocator, out _shader);
            if (result != Result.Success)
                return result;

            PipelineShaderStageCreateInfo stage = new(
                stage: ShaderStageFlags.ComputeBit, module: _shader, pName: main);
            ComputePipelineCreateInfo pipeline = new(stage: stage, layout: _layout);
            Pipeline made;
            result = vk.CreateComputePipelines(_device, default, 1, &pipeline, allocator, &made);
            _pipeline = made;
            return result;
        }
    }

    private void End(AllocationCallbacks* allocator)
    {
        if (_device.Handle != 0)
        {
            vk.DeviceWaitIdle(_device);
            vk.DestroyPipeline(_device, _pipeline, allocator);
            vk.DestroyShaderModule(_device, _shader, allocator);
            vk.DestroyPipelineLayout(_device, _layout, allocator);
            vk.DestroyFence(_device, _fence, allocator);
            vk.DestroyCommandPool(_device, _pool, allocator);
            vk.DestroyBuffer(_device, _buffer, allocator);
            vk.FreeMemory(_device, _memory, allocator);
            vk.DestroyDevice(_device, allocator);
        }

        if (_instance.Handle != 0)
            vk.DestroyInstance(_instance, allocator);
    }
}
