#version 330 core
// The color of a box's side.
#ifdef VULKAN
#extension GL_ARB_separate_shader_objects : enable
#define LINK(number) layout(location = number)
#else
#define LINK(number)
#endif
LINK(0) in vec4 color;
layout(location = 0) out vec4 result;

void main() { result = color; }
