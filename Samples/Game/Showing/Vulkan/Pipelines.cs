// How boxes and marks are drawn: the render pass and a pipeline for each.
using System.Numerics;
using System.Runtime.InteropServices;
using Samples.Game.Playing;
using Silk.NET.Vulkan;

namespace Samples.Game.Showing.Vulkan;

/// <summary>What the shaders of boxes know of a frame; those of marks know the picture's size only.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly record struct FrameConstants(Matrix4x4 View, Vector3 Eye)
{
    private readonly float _padding;
}

/// <summary>The render pass, and the two pipelines in it, of shaders that .ci/shaders compiled.</summary>
internal sealed unsafe class Pipelines : IDisposable
{
    private readonly VulkanDevice _device;

    /// <param name="device">It must outlive this.</param>
    public Pipelines(VulkanDevice device)
    {
        _device = device;
        Pass = NewPass();
        Layout = NewLayout();
        Boxes = NewPipeline(
            "box",
            sizeof(Sprite),
            [
                new(0, 0, Format.R32G32B32Sfloat, 0), new(1, 0, Format.R32G32B32A32Sfloat, 12),
                new(2, 0, Format.R32G32B32Sfloat, 28), new(3, 0, Format.R8G8B8A8Unorm, 40),
            ],
            isFlat: false);
        Marks = NewPipeline(
            "mark",
            sizeof(Mark),
            [
                new(0, 0, Format.R32G32B32A32Sfloat, 0), new(1, 0, Format.R8G8B8A8Unorm, 16),
                new(2, 0, Format.R32G32Uint, 20),
            ],
            isFlat: true);
    }

    public RenderPass Pass { get; }

    public PipelineLayout Layout { get; }

    public Pipeline Boxes { get; }

    public Pipeline Marks { get; }

    /// <summary>The device has nothing to do.</summary>
    public void Dispose()
    {
        (Vk api, Device device) = (_device.Api, _device.Handle);
        api.DestroyPipeline(device, Boxes, _device.Callbacks);
        api.DestroyPipeline(device, Marks, _device.Callbacks);
        api.DestroyPipelineLayout(device, Layout, _device.Callbacks);
        api.DestroyRenderPass(device, Pass, _device.Callbacks);
    }

    /// <summary>Clears color and depth, and leaves the color ready to be shown.</summary>
    private RenderPass NewPass()
    {
        AttachmentDescription* attachments = stackalloc AttachmentDescription[2]
        {
            new(
                format: _device.ColorFormat.Format, samples: SampleCountFlags.Count1Bit,
                loadOp: AttachmentLoadOp.Clear, storeOp: AttachmentStoreOp.Store,
                stencilLoadOp: AttachmentLoadOp.DontCare, stencilStoreOp: AttachmentStoreOp.DontCare,
                initialLayout: ImageLayout.Undefined, finalLayout: ImageLayout.PresentSrcKhr),
            new(
                format: _device.DepthFormat, samples: SampleCountFlags.Count1Bit,
                loadOp: AttachmentLoadOp.Clear, storeOp: AttachmentStoreOp.DontCare,
                stencilLoadOp: AttachmentLoadOp.DontCare, stencilStoreOp: AttachmentStoreOp.DontCare,
                initialLayout: ImageLayout.Undefined, finalLayout: ImageLayout.DepthStencilAttachmentOptimal),
        };
        AttachmentReference color = new(0, ImageLayout.ColorAttachmentOptimal);
        AttachmentReference depth = new(1, ImageLayout.DepthStencilAttachmentOptimal);
        SubpassDescription subpass = new(
            pipelineBindPoint: PipelineBindPoint.Graphics, colorAttachmentCount: 1, pColorAttachments: &color,
            pDepthStencilAttachment: &depth);

        // A frame waits for its image, and for the depth, which the frame before it may still write.
        const PipelineStageFlags Writes = PipelineStageFlags.ColorAttachmentOutputBit
            | PipelineStageFlags.EarlyFragmentTestsBit | PipelineStageFlags.LateFragmentTestsBit;
        SubpassDependency dependency = new(
            srcSubpass: Vk.SubpassExternal, dstSubpass: 0, srcStageMask: Writes, dstStageMask: Writes,
            srcAccessMask: AccessFlags.DepthStencilAttachmentWriteBit,
            dstAccessMask: AccessFlags.ColorAttachmentWriteBit | AccessFlags.DepthStencilAttachmentWriteBit
                | AccessFlags.DepthStencilAttachmentReadBit);
        RenderPassCreateInfo info = new(
            attachmentCount: 2, pAttachments: attachments, subpassCount: 1, pSubpasses: &subpass, dependencyCount: 1,
            pDependencies: &dependency);
        VulkanDevice.Check(_device.Api.CreateRenderPass(_device.Handle, &info, _device.Callbacks, out RenderPass pass));
        return pass;
    }

    private PipelineLayout NewLayout()
    {
        PushConstantRange range = new(ShaderStageFlags.VertexBit, 0, (uint)sizeof(FrameConstants));
        PipelineLayoutCreateInfo info = new(pushConstantRangeCount: 1, pPushConstantRanges: &range);
        VulkanDevice.Check(_device.Api.CreatePipelineLayout(
            _device.Handle, &info, _device.Callbacks, out PipelineLayout layout));
        return layout;
    }

    private ShaderModule NewModule(string name)
    {
        byte[] words = Resource.Bytes(name);
        fixed (byte* first = words)
        {
            ShaderModuleCreateInfo info = new(codeSize: (nuint)words.Length, pCode: (uint*)first);
            VulkanDevice.Check(_device.Api.CreateShaderModule(
                _device.Handle, &info, _device.Callbacks, out ShaderModule module));
            return module;
        }
    }

    /// <summary>A pipeline with a drawing for each instance.</summary>
    /// <param name="shaders">The names of the shaders without their endings.</param>
    /// <param name="stride">Bytes of an instance.</param>
    /// <param name="isFlat">Over all else and translucent; else by depth.</param>
    private Pipeline NewPipeline(
        string shaders, int stride, ReadOnlySpan<VertexInputAttributeDescription> attributes, bool isFlat)
    {
        ShaderModule vertex = NewModule(shaders + ".vert.spv");
        ShaderModule fragment = NewModule(shaders + ".frag.spv");
        Pipeline pipeline;
        fixed (byte* main = "main\0"u8)
        fixed (VertexInputAttributeDescription* first = attributes)
        {
            PipelineShaderStageCreateInfo* stages = stackalloc PipelineShaderStageCreateInfo[2]
            {
                new(stage: ShaderStageFlags.VertexBit, module: vertex, pName: main),
                new(stage: ShaderStageFlags.FragmentBit, module: fragment, pName: main),
            };
            VertexInputBindingDescription binding = new(0, (uint)stride, VertexInputRate.Instance);
            PipelineVertexInputStateCreateInfo input = new(
                vertexBindingDescriptionCount: 1, pVertexBindingDescriptions: &binding,
                vertexAttributeDescriptionCount: (uint)attributes.Length, pVertexAttributeDescriptions: first);
            PipelineInputAssemblyStateCreateInfo assembly = new(
                topology: isFlat ? PrimitiveTopology.TriangleStrip : PrimitiveTopology.TriangleList);
            PipelineViewportStateCreateInfo viewport = new(viewportCount: 1, scissorCount: 1);
            PipelineRasterizationStateCreateInfo rasterization = new(
                polygonMode: PolygonMode.Fill, cullMode: CullModeFlags.None, lineWidth: 1);
            PipelineMultisampleStateCreateInfo samples = new(rasterizationSamples: SampleCountFlags.Count1Bit);
            PipelineDepthStencilStateCreateInfo depth = new(
                depthTestEnable: !isFlat, depthWriteEnable: !isFlat, depthCompareOp: CompareOp.Less);
            PipelineColorBlendAttachmentState blend = new(
                blendEnable: isFlat, srcColorBlendFactor: BlendFactor.SrcAlpha,
                dstColorBlendFactor: BlendFactor.OneMinusSrcAlpha, colorBlendOp: BlendOp.Add,
                srcAlphaBlendFactor: BlendFactor.One, dstAlphaBlendFactor: BlendFactor.Zero, alphaBlendOp: BlendOp.Add,
                colorWriteMask: ColorComponentFlags.RBit | ColorComponentFlags.GBit | ColorComponentFlags.BBit
                    | ColorComponentFlags.ABit);
            PipelineColorBlendStateCreateInfo blending = new(attachmentCount: 1, pAttachments: &blend);
            DynamicState* changing = stackalloc DynamicState[2] { DynamicState.Viewport, DynamicState.Scissor };
            PipelineDynamicStateCreateInfo dynamic = new(dynamicStateCount: 2, pDynamicStates: changing);
            GraphicsPipelineCreateInfo info = new(
                stageCount: 2, pStages: stages, pVertexInputState: &input, pInputAssemblyState: &assembly,
                pViewportState: &viewport, pRasterizationState: &rasterization, pMultisampleState: &samples,
                pDepthStencilState: &depth, pColorBlendState: &blending, pDynamicState: &dynamic, layout: Layout,
                renderPass: Pass);
            VulkanDevice.Check(_device.Api.CreateGraphicsPipelines(
                _device.Handle, default, 1, &info, _device.Callbacks, &pipeline));
        }

        _device.Api.DestroyShaderModule(_device.Handle, vertex, _device.Callbacks);
        _device.Api.DestroyShaderModule(_device.Handle, fragment, _device.Callbacks);
        return pipeline;
    }
}
