// The frame's quads copied to a device's buffer and a cleared image presented: a Vulkan driver's work without shaders.
using Samples.Common;
using Silk.NET.Core;
using Silk.NET.Core.Contexts;
using Silk.NET.Vulkan;
using Buffer = Silk.NET.Vulkan.Buffer;
using Semaphore = Silk.NET.Vulkan.Semaphore;

namespace Samples.Window;

/// <summary>Copies quads to the device and presents a cleared image, one frame after the other.</summary>
/// <remarks>
/// The quads are not drawn, which needs shaders. The window must keep its size. Functions of extensions are called by
/// pointers, as Silk.NET has them in a package of its own.
/// </remarks>
internal sealed unsafe class VulkanRenderer : IQuadRenderer
{
    private const MemoryPropertyFlags Mappable =
        MemoryPropertyFlags.HostVisibleBit | MemoryPropertyFlags.HostCoherentBit;

    private readonly Vk _vk;
    private readonly Instance _instance;
    private readonly SurfaceKHR _surface;
    private readonly PhysicalDevice _physical;
    private readonly uint _family;
    private readonly Device _device;
    private readonly Queue _queue;
    private readonly SwapchainKHR _swapchain;
    private readonly Image[] _images;
    private readonly CommandPool _pool;
    private readonly CommandBuffer _commands;
    private readonly Fence _submitted;
    private readonly Semaphore _acquired;
    private readonly Semaphore[] _drawn; // One an image, which may wait for it after the fence is signaled.
    private readonly Buffer _staging;
    private readonly DeviceMemory _stagingMemory;
    private readonly Quad* _mapped;
    private readonly int _capacity;
    private readonly Buffer _onDevice;
    private readonly DeviceMemory _deviceMemory;

    private readonly delegate* unmanaged<Device, SwapchainKHR, ulong, Semaphore, Fence, uint*, Result> _acquire;
    private readonly delegate* unmanaged<Queue, PresentInfoKHR*, Result> _present;

    /// <exception cref="RunFailedException">There is no Vulkan device that can present to the window.</exception>
    public VulkanRenderer(SdlWindow window, int capacity)
    {
        _vk = new Vk(new LamdaNativeContext(Function));
        _instance = NewInstance(window);
        _surface = new SurfaceKHR(window.NewVulkanSurface(_instance.Handle));
        (_physical, _family) = Presenter();
        _device = NewDevice();
        _vk.GetDeviceQueue(_device, _family, 0, out _queue);
        _swapchain = NewSwapchain(window);
        _images = Images();
        _acquire = (delegate* unmanaged<Device, SwapchainKHR, ulong, Semaphore, Fence, uint*, Result>)Function(
            "vkAcquireNextImageKHR");
        _present = (delegate* unmanaged<Queue, PresentInfoKHR*, Result>)Function("vkQueuePresentKHR");

        CommandPoolCreateInfo pool = new(
            flags: CommandPoolCreateFlags.ResetCommandBufferBit, queueFamilyIndex: _family);
        Check(_vk.CreateCommandPool(_device, &pool, null, out _pool));
        CommandBufferAllocateInfo commands = new(
            commandPool: _pool, level: CommandBufferLevel.Primary, commandBufferCount: 1);
        Check(_vk.AllocateCommandBuffers(_device, &commands, out _commands));
        FenceCreateInfo fence = new(flags: FenceCreateFlags.SignaledBit);
        Check(_vk.CreateFence(_device, &fence, null, out _submitted));
        _acquired = NewSemaphore();
        _drawn = Array.ConvertAll(_images, _ => NewSemaphore());

        _capacity = capacity;
        ulong bytes = (ulong)capacity * (ulong)sizeof(Quad);
        (_staging, _stagingMemory) = NewBuffer(bytes, BufferUsageFlags.TransferSrcBit, Mappable);
        _mapped = (Quad*)Map(_stagingMemory);
        (_onDevice, _deviceMemory) = NewBuffer(
            bytes, BufferUsageFlags.TransferDstBit, MemoryPropertyFlags.DeviceLocalBit);
    }

    public void Draw(ReadOnlySpan<Quad> quads)
    {
        Fence submitted = _submitted;
        Check(_vk.WaitForFences(_device, 1, &submitted, true, ulong.MaxValue));
        uint index;
        Check(_acquire(_device, _swapchain, ulong.MaxValue, _acquired, default, &index));
        Check(_vk.ResetFences(_device, 1, &submitted));
        quads.CopyTo(new Span<Quad>(_mapped, _capacity));
        Record(_images[index], (ulong)quads.Length * (ulong)sizeof(Quad));

        CommandBuffer commands = _commands;
        Semaphore acquired = _acquired;
        Semaphore drawn = _drawn[index];
        PipelineStageFlags waiting = PipelineStageFlags.TransferBit;
        SubmitInfo submit = new(
            waitSemaphoreCount: 1, pWaitSemaphores: &acquired, pWaitDstStageMask: &waiting, commandBufferCount: 1,
            pCommandBuffers: &commands, signalSemaphoreCount: 1, pSignalSemaphores: &drawn);
        Check(_vk.QueueSubmit(_queue, 1, &submit, submitted));
        SwapchainKHR swapchain = _swapchain;
        PresentInfoKHR present = new(
            waitSemaphoreCount: 1, pWaitSemaphores: &drawn, swapchainCount: 1, pSwapchains: &swapchain,
            pImageIndices: &index);
        Check(_present(_queue, &present));
    }

    /// <summary>Has the driver take a texture's memory, and writes each page of it.</summary>
    public void UploadTexture(int side)
    {
        const int BytesPerPixel = 4;
        ulong bytes = (ulong)side * (ulong)side * BytesPerPixel;
        (Buffer buffer, DeviceMemory memory) = NewBuffer(bytes, BufferUsageFlags.TransferSrcBit, Mappable);
        byte* pixels = Map(memory);
        for (ulong at = 0; at < bytes; at += (ulong)Environment.SystemPageSize)
            pixels[at] = 1;

        _vk.DestroyBuffer(_device, buffer, null);
        _vk.FreeMemory(_device, memory, null);
    }

    public void Dispose()
    {
        _ = _vk.DeviceWaitIdle(_device);
        _vk.DestroyBuffer(_device, _staging, null);
        _vk.FreeMemory(_device, _stagingMemory, null);
        _vk.DestroyBuffer(_device, _onDevice, null);
        _vk.FreeMemory(_device, _deviceMemory, null);
        foreach (Semaphore drawn in _drawn)
            _vk.DestroySemaphore(_device, drawn, null);

        _vk.DestroySemaphore(_device, _acquired, null);
        _vk.DestroyFence(_device, _submitted, null);
        _vk.DestroyCommandPool(_device, _pool, null);
        ((delegate* unmanaged<Device, SwapchainKHR, void*, void>)Function("vkDestroySwapchainKHR"))(
            _device, _swapchain, null);
        _vk.DestroyDevice(_device, null);
        ((delegate* unmanaged<Instance, SurfaceKHR, void*, void>)Function("vkDestroySurfaceKHR"))(
            _instance, _surface, null);
        _vk.DestroyInstance(_instance, null);
        _vk.Dispose();
    }

    private static void Check(Result result)
    {
        if (result < Result.Success)
            throw new RunFailedException($"Vulkan: {result}.");
    }

    private nint Function(string name) => SdlWindow.VulkanFunctionOf(_instance.Handle, name);

    /// <summary>The copy of the quads, and the image cleared between its two changes of layout.</summary>
    private void Record(Image image, ulong bytes)
    {
        CommandBufferBeginInfo begin = new(flags: CommandBufferUsageFlags.OneTimeSubmitBit);
        Check(_vk.BeginCommandBuffer(_commands, &begin));
        BufferCopy copy = new(size: bytes);
        _vk.CmdCopyBuffer(_commands, _staging, _onDevice, 1, &copy);

        ImageSubresourceRange all = new(ImageAspectFlags.ColorBit, 0, 1, 0, 1);
        ImageMemoryBarrier barrier = new(
            dstAccessMask: AccessFlags.TransferWriteBit, oldLayout: ImageLayout.Undefined,
            newLayout: ImageLayout.TransferDstOptimal, srcQueueFamilyIndex: Vk.QueueFamilyIgnored,
            dstQueueFamilyIndex: Vk.QueueFamilyIgnored, image: image, subresourceRange: all);
        const PipelineStageFlags Transfer = PipelineStageFlags.TransferBit;
        _vk.CmdPipelineBarrier(_commands, Transfer, Transfer, 0, 0, null, 0, null, 1, &barrier);
        ClearColorValue color = new(0.1f, 0.1f, 0.12f, 1);
        _vk.CmdClearColorImage(_commands, image, ImageLayout.TransferDstOptimal, &color, 1, &all);
        (barrier.SrcAccessMask, barrier.DstAccessMask) = (AccessFlags.TransferWriteBit, 0);
        (barrier.OldLayout, barrier.NewLayout) = (ImageLayout.TransferDstOptimal, ImageLayout.PresentSrcKhr);
        _vk.CmdPipelineBarrier(
            _commands, Transfer, PipelineStageFlags.BottomOfPipeBit, 0, 0, null, 0, null, 1, &barrier);
        Check(_vk.EndCommandBuffer(_commands));
    }

    private Instance NewInstance(SdlWindow window)
    {
        const int MostExtensions = 16;
        byte** extensions = stackalloc byte*[MostExtensions];
        ApplicationInfo application = new(apiVersion: Vk.Version10);
        InstanceCreateInfo info = new(
            pApplicationInfo: &application, enabledExtensionCount: window.VulkanExtensions(extensions, MostExtensions),
            ppEnabledExtensionNames: extensions);
        Result result = _vk.CreateInstance(&info, null, out Instance instance);
        return result == Result.Success
            ? instance
            : throw new RunFailedException($"There is no Vulkan device ({result}; Debian: mesa-vulkan-drivers).");
    }

    /// <summary>The first device, and of its queues the first, that presents to the window.</summary>
    private (PhysicalDevice Device, uint Family) Presenter()
    {
        var supports = (delegate* unmanaged<PhysicalDevice, uint, SurfaceKHR, Bool32*, Result>)Function(
            "vkGetPhysicalDeviceSurfaceSupportKHR");
        const int Most = 16;
        PhysicalDevice* devices = stackalloc PhysicalDevice[Most];
        QueueFamilyProperties* families = stackalloc QueueFamilyProperties[Most];
        uint deviceCount = Most;
        Check(_vk.EnumeratePhysicalDevices(_instance, &deviceCount, devices));
        for (uint device = 0; device < deviceCount; device++)
        {
            uint familyCount = Most;
            _vk.GetPhysicalDeviceQueueFamilyProperties(devices[device], &familyCount, families);
            for (uint family = 0; family < familyCount; family++)
            {
                Bool32 canPresent;
                Check(supports(devices[device], family, _surface, &canPresent));
                if (canPresent && (families[family].QueueFlags & QueueFlags.GraphicsBit) != 0)
                    return (devices[device], family);
            }
        }

        throw new RunFailedException("There is no Vulkan device that presents to the window.");
    }

    private Device NewDevice()
    {
        float priority = 1;
        DeviceQueueCreateInfo queue = new(queueFamilyIndex: _family, queueCount: 1, pQueuePriorities: &priority);
        fixed (byte* extension = "VK_KHR_swapchain"u8)
        {
            DeviceCreateInfo info = new(
                queueCreateInfoCount: 1, pQueueCreateInfos: &queue, enabledExtensionCount: 1,
                ppEnabledExtensionNames: &extension);
            Check(_vk.CreateDevice(_physical, &info, null, out Device device));
            return device;
        }
    }

    private SwapchainKHR NewSwapchain(SdlWindow window)
    {
        SurfaceCapabilitiesKHR can;
        Check(((delegate* unmanaged<PhysicalDevice, SurfaceKHR, SurfaceCapabilitiesKHR*, Result>)Function(
            "vkGetPhysicalDeviceSurfaceCapabilitiesKHR"))(_physical, _surface, &can));
        uint count = 1;
        SurfaceFormatKHR format;
        Check(((delegate* unmanaged<PhysicalDevice, SurfaceKHR, uint*, SurfaceFormatKHR*, Result>)Function(
            "vkGetPhysicalDeviceSurfaceFormatsKHR"))(_physical, _surface, &count, &format));

        // Some systems leave the size to the swapchain.
        Extent2D size = can.CurrentExtent.Width == uint.MaxValue ? window.Size : can.CurrentExtent;
        SwapchainCreateInfoKHR info = new(
            surface: _surface, minImageCount: can.MinImageCount, imageFormat: format.Format,
            imageColorSpace: format.ColorSpace, imageExtent: size, imageArrayLayers: 1,
            imageUsage: ImageUsageFlags.TransferDstBit, imageSharingMode: SharingMode.Exclusive,
            preTransform: can.CurrentTransform, compositeAlpha: CompositeAlphaFlagsKHR.OpaqueBitKhr,
            presentMode: PresentModeKHR.FifoKhr, clipped: true);
        SwapchainKHR swapchain;
        Check(((delegate* unmanaged<Device, SwapchainCreateInfoKHR*, void*, SwapchainKHR*, Result>)Function(
            "vkCreateSwapchainKHR"))(_device, &info, null, &swapchain));
        return swapchain;
    }

    private Image[] Images()
    {
        var get = (delegate* unmanaged<Device, SwapchainKHR, uint*, Image*, Result>)Function("vkGetSwapchainImagesKHR");
        uint count = 0;
        Check(get(_device, _swapchain, &count, null));
        var images = new Image[count];
        fixed (Image* first = images)
            Check(get(_device, _swapchain, &count, first));

        return images;
    }

    private Semaphore NewSemaphore()
    {
        SemaphoreCreateInfo info = new(flags: 0);
        Check(_vk.CreateSemaphore(_device, &info, null, out Semaphore semaphore));
        return semaphore;
    }

    private (Buffer, DeviceMemory) NewBuffer(ulong bytes, BufferUsageFlags usage, MemoryPropertyFlags kind)
    {
        BufferCreateInfo info = new(size: bytes, usage: usage, sharingMode: SharingMode.Exclusive);
        Check(_vk.CreateBuffer(_device, &info, null, out Buffer buffer));
        _vk.GetBufferMemoryRequirements(_device, buffer, out MemoryRequirements needs);
        MemoryAllocateInfo allocation = new(
            allocationSize: needs.Size, memoryTypeIndex: MemoryType(needs.MemoryTypeBits, kind));
        Check(_vk.AllocateMemory(_device, &allocation, null, out DeviceMemory memory));
        Check(_vk.BindBufferMemory(_device, buffer, memory, 0));
        return (buffer, memory);
    }

    private uint MemoryType(uint allowed, MemoryPropertyFlags kind)
    {
        PhysicalDeviceMemoryProperties properties;
        _vk.GetPhysicalDeviceMemoryProperties(_physical, &properties);
        for (int type = 0; type < properties.MemoryTypeCount; type++)
        {
            if ((allowed & (1u << type)) != 0 && (properties.MemoryTypes[type].PropertyFlags & kind) == kind)
                return (uint)type;
        }

        throw new RunFailedException($"The Vulkan device has no memory that is {kind}.");
    }

    private byte* Map(DeviceMemory memory)
    {
        void* mapped;
        Check(_vk.MapMemory(_device, memory, 0, Vk.WholeSize, 0, &mapped));
        return (byte*)mapped;
    }
}
