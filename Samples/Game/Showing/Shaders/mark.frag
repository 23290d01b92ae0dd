#version 330 core
// The dots of a character: 5 columns of 7 rows, a bit each.
#ifdef VULKAN
#extension GL_ARB_separate_shader_objects : enable
#define LINK(number) layout(location = number)
#else
#define LINK(number)
#endif
LINK(0) in vec4 color;
LINK(1) in vec2 inside;
LINK(2) flat in uvec2 dots;
layout(location = 0) out vec4 result;

void main()
{
    int dot = min(int(inside.x * 5.0), 4) * 7 + min(int(inside.y * 7.0), 6);
    uint word = dot < 32 ? dots.x >> dot : dots.y >> (dot - 32);
    if ((word & 1u) == 0u)
        discard;
    result = color;
}
