// The game's frames by Vulkan.
using System.Numerics;
using Samples.Common;
using Silk.NET.Vulkan;
using SuperSlab;
using SuperSlab.Interop;
using SuperSlab.Vulkan;
using Buffer = Silk.NET.Vulkan.Buffer;
using Semaphore = Silk.NET.Vulkan.Semaphore;

namespace Samples.Game.Showing.Vulkan;

/// <summary>
/// Draws with Vulkan, two frames on their way at a time; its objects and those of its driver are the allocator's. An
/// image is taken and given back between frames, and so is what a window of another size needs.
/// </summary>
internal sealed unsafe class VulkanRenderer : IRenderer
{
    private const int SlotCount = 2;
    private readonly Sdl _sdl;
    private readonly VulkanDevice _device;
    private readonly Vk _api;
    private readonly Pipelines _pipelines;
    private readonly Swapchain _swapchain;
    private readonly CommandPool _pool;
    private readonly Slot[] _slots = new Slot[SlotCount];
    private int _slot;
    private int _image;
    private bool _hasImage;
    private bool _isOutOfDate = true;
    private (int Width, int Height) _seen;

    /// <param name="sdl">A window for Vulkan; it must outlive this.</param>
    /// <param name="arena">It has what Vulkan reads as long as this lives.</param>
    /// <param name="allocator">Where Vulkan's memory comes from; null is malloc.</param>
    /// <exception cref="RunFailedException">No device can draw in the window.</exception>
    public VulkanRenderer(Sdl sdl, LongLivedArena arena, NativeAllocator? allocator)
    {
        AllocationCallbacks* callbacks = null;
        if (allocator is not null)
        {
            callbacks = arena.Allocate<AllocationCallbacks>();
            *callbacks = allocator.ToVulkan();
        }

        _sdl = sdl;
        _device = new VulkanDevice(sdl, callbacks);
        _api = _device.Api;
        try
        {
            _pipelines = new Pipelines(_device);
            _swapchain = new Swapchain(_device, _pipelines.Pass);
            CommandPoolCreateInfo pool = new(
                flags: CommandPoolCreateFlags.ResetCommandBufferBit, queueFamilyIndex: _device.QueueFamily);
            VulkanDevice.Check(_api.CreateCommandPool(_device.Handle, &pool, callbacks, out _pool));
            for (int slot = 0; slot < SlotCount; slot++)
                _slots[slot] = NewSlot();
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public string Name => _device.Name;

    private static int SpriteBytes => IRenderer.MostSprites * sizeof(Sprite);

    public void BeginFrame()
    {
        _slot = (_slot + 1) % SlotCount;
        Fence done = _slots[_slot].Done;
        VulkanDevice.Check(_api.WaitForFences(_device.Handle, 1, &done, true, ulong.MaxValue));
        _hasImage = false;
        _isOutOfDate |= _seen != (_sdl.Width, _sdl.Height);
        do
        {
            if (_isOutOfDate)
            {
                _seen = (_sdl.Width, _sdl.Height);
                _isOutOfDate = !_swapchain.Renew(new Extent2D((uint)_sdl.Width, (uint)_sdl.Height));
                if (_isOutOfDate)
                    return;
            }

            _hasImage = _swapchain.TryAcquire(_slots[_slot].Acquired, out _image);
            _isOutOfDate = !_hasImage;
        }
        while (!_hasImage);
    }

    public void Draw(in FrameView view, ReadOnlySpan<Mark> marks)
    {
        if (!_hasImage)
            return;

        ref Slot slot = ref _slots[_slot];
        Span<Sprite> sprites = new((void*)slot.Instances.Address, IRenderer.MostSprites);
        int count = 0;
        foreach (DrawList list in view.Lists)
        {
            ReadOnlySpan<Sprite> fitting = list.Span[..Math.Min(list.Count, sprites.Length - count)];
            fitting.CopyTo(sprites[count..]);
            count += fitting.Length;
        }

        marks.CopyTo(new Span<Mark>((void*)(slot.Instances.Address + SpriteBytes), Panel.Capacity));
        Record(slot, view.Camera, count, marks.Length);

        Fence done = slot.Done;
        VulkanDevice.Check(_api.ResetFences(_device.Handle, 1, &done));
        CommandBuffer commands = slot.Commands;
        Semaphore acquired = slot.Acquired;
        Semaphore drawn = _swapchain.Images[_image].Drawn;
        PipelineStageFlags waiting = PipelineStageFlags.ColorAttachmentOutputBit;
        SubmitInfo submit = new(
            waitSemaphoreCount: 1, pWaitSemaphores: &acquired, pWaitDstStageMask: &waiting, commandBufferCount: 1,
            pCommandBuffers: &commands, signalSemaphoreCount: 1, pSignalSemaphores: &drawn);
        VulkanDevice.Check(_api.QueueSubmit(_device.Queue, 1, &submit, done));
    }

    public void Present()
    {
        if (_hasImage)
            _isOutOfDate = !_swapchain.Present(_image);
    }

    public Picture? Read()
    {
        if (!_hasImage)
            return null;

        _device.Wait();
        Extent2D size = _swapchain.Size;
        HostBuffer pixels = _device.NewBuffer((int)(size.Width * size.Height * 4), BufferUsageFlags.TransferDstBit);
        RecordCopy(_slots[_slot].Commands, _swapchain.Images[_image].Image, pixels.Buffer, size);
        CommandBuffer commands = _slots[_slot].Commands;
        SubmitInfo submit = new(commandBufferCount: 1, pCommandBuffers: &commands);
        VulkanDevice.Check(_api.QueueSubmit(_device.Queue, 1, &submit, default));
        _device.Wait();

        Picture picture = new((int)size.Width, (int)size.Height);
        bool hasBlueFirst = _device.ColorFormat.Format is Format.B8G8R8A8Unorm or Format.B8G8R8A8Srgb;
        for (int y = 0; y < picture.Height; y++)
        {
            Span<uint> row = picture.Row(y);
            new ReadOnlySpan<uint>((uint*)pixels.Address + (y * picture.Width), picture.Width).CopyTo(row);
            for (int x = 0; hasBlueFirst && x < row.Length; x++)
                row[x] = (row[x] & 0xFF00FF00) | ((row[x] & 0xFF) << 16) | ((row[x] >> 16) & 0xFF);
        }

        _device.Release(pixels);
        return picture;
    }

    public void Dispose()
    {
        _device.Wait();
        foreach (Slot slot in _slots)
        {
            _device.Release(slot.Instances);
            _api.DestroyFence(_device.Handle, slot.Done, _device.Callbacks);
            _api.DestroySemaphore(_device.Handle, slot.Acquired, _device.Callbacks);
        }

        _api.DestroyCommandPool(_device.Handle, _pool, _device.Callbacks);
        _swapchain?.Dispose();
        _pipelines?.Dispose();
        _device.Dispose();
    }

    private Slot NewSlot()
    {
        CommandBufferAllocateInfo commands = new(
            commandPool: _pool, level: CommandBufferLevel.Primary, commandBufferCount: 1);
        VulkanDevice.Check(_api.AllocateCommandBuffers(_device.Handle, &commands, out CommandBuffer buffer));
        FenceCreateInfo fence = new(flags: FenceCreateFlags.SignaledBit);
        VulkanDevice.Check(_api.CreateFence(_device.Handle, &fence, _device.Callbacks, out Fence done));
        return new Slot
        {
            Commands = buffer,
            Done = done,
            Acquired = _device.NewSemaphore(),
            Instances = _device.NewBuffer(
                SpriteBytes + (Panel.Capacity * sizeof(Mark)), BufferUsageFlags.VertexBufferBit),
        };
    }

    private void Record(in Slot slot, in Camera camera, int sprites, int marks)
    {
        CommandBuffer commands = slot.Commands;
        CommandBufferBeginInfo begin = new(flags: CommandBufferUsageFlags.OneTimeSubmitBit);
        VulkanDevice.Check(_api.BeginCommandBuffer(commands, &begin));
        ClearValue* cleared = stackalloc ClearValue[2]
        {
            new(color: new ClearColorValue(IRenderer.Sky.X, IRenderer.Sky.Y, IRenderer.Sky.Z, 1)),
            new(depthStencil: new ClearDepthStencilValue(1, 0)),
        };
        RenderPassBeginInfo pass = new(
            renderPass: _pipelines.Pass, framebuffer: _swapchain.Images[_image].Framebuffer,
            renderArea: new Rect2D(default, _swapchain.Size), clearValueCount: 2, pClearValues: cleared);
        _api.CmdBeginRenderPass(commands, &pass, SubpassContents.Inline);

        // With a height below zero up is up, as it is with OpenGL.
        var area = PictureArea.In((int)_swapchain.Size.Width, (int)_swapchain.Size.Height);
        Viewport viewport = new(area.X, area.Y + area.Height, area.Width, -area.Height, 0, 1);
        Rect2D scissor = new(default, _swapchain.Size);
        _api.CmdSetViewport(commands, 0, 1, &viewport);
        _api.CmdSetScissor(commands, 0, 1, &scissor);

        FrameConstants frame = new(camera.ViewProjection, camera.Eye);
        Draw(slot, _pipelines.Boxes, &frame, sizeof(FrameConstants), 0, 18, sprites);
        Vector2 size = new(GameWindow.Width, GameWindow.Height);
        Draw(slot, _pipelines.Marks, &size, sizeof(Vector2), (ulong)SpriteBytes, 4, marks);
        _api.CmdEndRenderPass(commands);
        VulkanDevice.Check(_api.EndCommandBuffer(commands));
    }

    /// <summary>Draws instances.</summary>
    /// <param name="constants">What the shaders know, of so many bytes.</param>
    /// <param name="offset">Where the instances begin, in bytes.</param>
    private void Draw(
        in Slot slot, Pipeline pipeline, void* constants, int constantBytes, ulong offset, uint vertices, int count)
    {
        Buffer instances = slot.Instances.Buffer;
        _api.CmdBindPipeline(slot.Commands, PipelineBindPoint.Graphics, pipeline);
        _api.CmdPushConstants(
            slot.Commands, _pipelines.Layout, ShaderStageFlags.VertexBit, 0, (uint)constantBytes, constants);
        _api.CmdBindVertexBuffers(slot.Commands, 0, 1, &instances, &offset);
        _api.CmdDraw(slot.Commands, vertices, (uint)count, 0, 0);
    }

    /// <summary>Copies an image that is ready to be shown, and leaves it so.</summary>
    private void RecordCopy(CommandBuffer commands, Image image, Buffer pixels, Extent2D size)
    {
        CommandBufferBeginInfo begin = new(flags: CommandBufferUsageFlags.OneTimeSubmitBit);
        VulkanDevice.Check(_api.BeginCommandBuffer(commands, &begin));
        ImageMemoryBarrier barrier = new(
            dstAccessMask: AccessFlags.TransferReadBit, oldLayout: ImageLayout.PresentSrcKhr,
            newLayout: ImageLayout.TransferSrcOptimal, srcQueueFamilyIndex: Vk.QueueFamilyIgnored,
            dstQueueFamilyIndex: Vk.QueueFamilyIgnored, image: image,
            subresourceRange: new ImageSubresourceRange(ImageAspectFlags.ColorBit, 0, 1, 0, 1));
        _api.CmdPipelineBarrier(
            commands, PipelineStageFlags.TopOfPipeBit, PipelineStageFlags.TransferBit, 0, 0, null, 0, null, 1,
            &barrier);
        BufferImageCopy copy = new(
            imageSubresource: new ImageSubresourceLayers(ImageAspectFlags.ColorBit, 0, 0, 1),
            imageExtent: new Extent3D(size.Width, size.Height, 1));
        _api.CmdCopyImageToBuffer(commands, image, ImageLayout.TransferSrcOptimal, pixels, 1, &copy);
        (barrier.SrcAccessMask, barrier.DstAccessMask) = (AccessFlags.TransferReadBit, 0);
        (barrier.OldLayout, barrier.NewLayout) = (ImageLayout.TransferSrcOptimal, ImageLayout.PresentSrcKhr);
        _api.CmdPipelineBarrier(
            commands, PipelineStageFlags.TransferBit, PipelineStageFlags.BottomOfPipeBit, 0, 0, null, 0, null, 1,
            &barrier);
        VulkanDevice.Check(_api.EndCommandBuffer(commands));
    }

    /// <summary>What a frame needs while the device works on it.</summary>
    private struct Slot
    {
        public CommandBuffer Commands;

        /// <summary>The device has ended the frame.</summary>
        public Fence Done;

        /// <summary>The window has given the frame's image.</summary>
        public Semaphore Acquired;

        /// <summary>Sprites, behind them marks.</summary>
        public HostBuffer Instances;
    }
}
