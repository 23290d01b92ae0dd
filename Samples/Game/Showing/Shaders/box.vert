#version 330 core
// A box for each instance, lit by a sun. OpenGL's driver compiles this file as it is; .ci/shaders compiles it for Vulkan.
#ifdef VULKAN
#extension GL_ARB_separate_shader_objects : enable
#define VERTEX gl_VertexIndex
#define LINK(number) layout(location = number)
layout(push_constant) uniform Frame { mat4 view; vec3 eye; };
#else
#define VERTEX gl_VertexID
#define LINK(number)
uniform mat4 view;
uniform vec3 eye;
#endif
layout(location = 0) in vec3 position;
layout(location = 1) in vec4 rotation;
layout(location = 2) in vec3 extent;
layout(location = 3) in vec4 tint;
LINK(0) out vec4 color;

const vec2 corners[6] = vec2[6](vec2(-1, -1), vec2(1, -1), vec2(1, 1), vec2(-1, -1), vec2(1, 1), vec2(-1, 1));

vec3 turned(vec3 v) { return v + 2.0 * cross(rotation.xyz, cross(rotation.xyz, v) + rotation.w * v); }

void main()
{
    // Of each pair of sides the one that faces the eye.
    int axis = VERTEX / 6;
    vec2 corner = corners[VERTEX % 6];
    vec3 normal = turned(axis == 0 ? vec3(1, 0, 0) : axis == 1 ? vec3(0, 1, 0) : vec3(0, 0, 1));
    float side = dot(eye - position, normal) < 0.0 ? -1.0 : 1.0;
    vec3 local = axis == 0 ? vec3(side, corner)
        : axis == 1 ? vec3(corner.x, side, corner.y)
        : vec3(corner, side);
    vec3 place = position + turned(local * extent);
    gl_Position = view * vec4(place, 1.0);
    float light = 0.4 + 0.6 * max(dot(normal * side, normalize(vec3(0.4, 1.0, 0.6))), 0.0);
    color = vec4(tint.rgb * light, 1.0);
}
