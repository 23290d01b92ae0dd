#version 330 core
// A flat rectangle for each instance, in units of the picture from the top left.
#ifdef VULKAN
#extension GL_ARB_separate_shader_objects : enable
#define VERTEX gl_VertexIndex
#define LINK(number) layout(location = number)
layout(push_constant) uniform Frame { vec2 size; };
#else
#define VERTEX gl_VertexID
#define LINK(number)
uniform vec2 size;
#endif
layout(location = 0) in vec4 place;
layout(location = 1) in vec4 tint;
layout(location = 2) in uvec2 bits;
LINK(0) out vec4 color;
LINK(1) out vec2 inside;
LINK(2) flat out uvec2 dots;

void main()
{
    inside = vec2(VERTEX & 1, VERTEX >> 1);
    vec2 pixel = (place.xy + inside * place.zw) / size * 2.0 - 1.0;
    gl_Position = vec4(pixel.x, -pixel.y, 0.0, 1.0);
    color = tint;
    dots = bits;
}
