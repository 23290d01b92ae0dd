// Rigid bodies by the Open Dynamics Engine, through the few of its functions that towers need.
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Samples.Game.Libraries;

/// <summary>
/// A world of boxes and balls on a floor, the same each time for the same calls. One thread at a time; several worlds
/// may be used by several threads, each after <see cref="AttachThread"/>.
/// </summary>
internal sealed unsafe partial class Physics : IDisposable
{
    /// <summary>What it is called in messages.</summary>
    public const string Missing = "libode.so.8 with double precision is not installed (Debian: libode8)";

    private const string Library = "libode.so.8";
    private const int MostContacts = 4;
    private readonly nint _world;
    private readonly nint _space;
    private readonly nint _contacts;

    public Physics()
    {
        _world = WorldCreate();
        _space = HashSpaceCreate(0);
        _contacts = JointGroupCreate(0);
        WorldSetGravity(_world, 0, -9.81, 0);
        WorldSetQuickStepNumIterations(_world, 12);
        WorldSetAutoDisableFlag(_world, 1);
        WorldSetAutoDisableLinearThreshold(_world, 0.15);
        WorldSetAutoDisableAngularThreshold(_world, 0.2);
        WorldSetAutoDisableSteps(_world, 12);
        WorldSetContactMaxCorrectingVel(_world, 2);
        WorldSetContactSurfaceLayer(_world, 0.01);
        CreatePlane(_space, 0, 1, 0, 0);
    }

    /// <summary>Its library, 0 where it is not on this machine or was built with single precision.</summary>
    public static nint Load() =>
        NativeLibrary.TryLoad(Library, out nint library) && CheckConfiguration("ODE_double_precision"u8) != 0
            ? library
            : 0;

    public static void Start() => _ = InitODE2(0);

    public static void End() => CloseODE();

    /// <summary>What a thread needs once before it makes or steps worlds.</summary>
    public static void AttachThread() => _ = AllocateODEDataForThread(uint.MaxValue);

    /// <summary>A box of a size at rest.</summary>
    public nint AddBox(Vector3 position, Vector3 size)
    {
        Mass mass;
        MassSetBox(&mass, 0.4, size.X, size.Y, size.Z);
        return Add(CreateBox(_space, size.X, size.Y, size.Z), &mass, position, default);
    }

    /// <summary>A heavy ball that flies.</summary>
    public nint AddBall(Vector3 position, float radius, Vector3 velocity)
    {
        Mass mass;
        MassSetSphere(&mass, 3, radius);
        return Add(CreateSphere(_space, radius), &mass, position, velocity);
    }

    public static void Remove(nint body)
    {
        GeomDestroy(BodyGetFirstGeom(body));
        BodyDestroy(body);
    }

    public void Step(double seconds)
    {
        // The solver visits contacts in an order of its own random numbers, which all worlds share.
        RandSetSeed(1);
        Contacts contacts = new() { World = _world, Group = _contacts };
        SpaceCollide(_space, &contacts, &Touch);
        _ = WorldQuickStep(_world, seconds);
        JointGroupEmpty(_contacts);
    }

    public static Vector3 PositionOf(nint body)
    {
        double* at = BodyGetPosition(body);
        return new Vector3((float)at[0], (float)at[1], (float)at[2]);
    }

    public static Quaternion RotationOf(nint body)
    {
        double* at = BodyGetQuaternion(body);
        return new Quaternion((float)at[1], (float)at[2], (float)at[3], (float)at[0]);
    }

    public void Dispose()
    {
        JointGroupDestroy(_contacts);
        SpaceDestroy(_space);
        WorldDestroy(_world);
    }

    private nint Add(nint shape, Mass* mass, Vector3 position, Vector3 velocity)
    {
        nint body = BodyCreate(_world);
        BodySetMass(body, mass);
        GeomSetBody(shape, body);
        BodySetPosition(body, position.X, position.Y, position.Z);
        BodySetLinearVel(body, velocity.X, velocity.Y, velocity.Z);
        return body;
    }

    /// <summary>Two shapes are close: each contact becomes a joint for this step.</summary>
    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void Touch(void* data, nint one, nint other)
    {
        var contacts = (Contacts*)data;
        Contact* found = stackalloc Contact[MostContacts];
        int count = Collide(one, other, MostContacts, &found[0].Geometry, sizeof(Contact));
        for (int index = 0; index < count; index++)
        {
            found[index].Surface = new Surface { Mode = 0, Friction = 0.9 };
            nint joint = JointCreateContact(contacts->World, contacts->Group, &found[index]);
            JointAttach(joint, GeomGetBody(one), GeomGetBody(other));
        }
    }

    private struct Contacts
    {
        public nint World;
        public nint Group;
    }

    /// <summary>dMass: mass, middle, inertia.</summary>
    [InlineArray(17)]
    private struct Mass
    {
        private double _first;
    }

    /// <summary>dSurfaceParameters.</summary>
    [StructLayout(LayoutKind.Sequential, Size = 120)]
    private struct Surface
    {
        public int Mode;
        public double Friction;
    }

    /// <summary>dContactGeom: position, normal, depth, shapes, sides.</summary>
    [StructLayout(LayoutKind.Sequential, Size = 96)]
    private struct Geometry
    {
        public double X;
    }

    /// <summary>dContact, with the direction of friction behind.</summary>
    [StructLayout(LayoutKind.Sequential, Size = 248)]
    private struct Contact
    {
        public Surface Surface;
        public Geometry Geometry;
    }

    [LibraryImport(Library, EntryPoint = "dCheckConfiguration")]
    private static partial int CheckConfiguration(ReadOnlySpan<byte> token);

    [LibraryImport(Library, EntryPoint = "dInitODE2")]
    private static partial int InitODE2(uint flags);

    [LibraryImport(Library, EntryPoint = "dCloseODE")]
    private static partial void CloseODE();

    [LibraryImport(Library, EntryPoint = "dAllocateODEDataForThread")]
    private static partial int AllocateODEDataForThread(uint flags);

    [LibraryImport(Library, EntryPoint = "dRandSetSeed")]
    private static partial void RandSetSeed(nuint seed);

    [LibraryImport(Library, EntryPoint = "dWorldCreate")]
    private static partial nint WorldCreate();

    [LibraryImport(Library, EntryPoint = "dWorldDestroy")]
    private static partial void WorldDestroy(nint world);

    [LibraryImport(Library, EntryPoint = "dWorldSetGravity")]
    private static partial void WorldSetGravity(nint world, double x, double y, double z);

    [LibraryImport(Library, EntryPoint = "dWorldSetQuickStepNumIterations")]
    private static partial void WorldSetQuickStepNumIterations(nint world, int count);

    [LibraryImport(Library, EntryPoint = "dWorldSetAutoDisableFlag")]
    private static partial void WorldSetAutoDisableFlag(nint world, int isOn);

    [LibraryImport(Library, EntryPoint = "dWorldSetAutoDisableLinearThreshold")]
    private static partial void WorldSetAutoDisableLinearThreshold(nint world, double threshold);

    [LibraryImport(Library, EntryPoint = "dWorldSetAutoDisableAngularThreshold")]
    private static partial void WorldSetAutoDisableAngularThreshold(nint world, double threshold);

    [LibraryImport(Library, EntryPoint = "dWorldSetAutoDisableSteps")]
    private static partial void WorldSetAutoDisableSteps(nint world, int steps);

    [LibraryImport(Library, EntryPoint = "dWorldSetContactMaxCorrectingVel")]
    private static partial void WorldSetContactMaxCorrectingVel(nint world, double velocity);

    [LibraryImport(Library, EntryPoint = "dWorldSetContactSurfaceLayer")]
    private static partial void WorldSetContactSurfaceLayer(nint world, double depth);

    [LibraryImport(Library, EntryPoint = "dWorldQuickStep")]
    private static partial int WorldQuickStep(nint world, double seconds);

    [LibraryImport(Library, EntryPoint = "dHashSpaceCreate")]
    private static partial nint HashSpaceCreate(nint parent);

    [LibraryImport(Library, EntryPoint = "dSpaceDestroy")]
    private static partial void SpaceDestroy(nint space);

    [LibraryImport(Library, EntryPoint = "dSpaceCollide")]
    private static partial void SpaceCollide(
        nint space, void* data, delegate* unmanaged[Cdecl]<void*, nint, nint, void> callback);

    [LibraryImport(Library, EntryPoint = "dCollide")]
    private static partial int Collide(nint one, nint other, int most, Geometry* found, int stride);

    [LibraryImport(Library, EntryPoint = "dCreatePlane")]
    private static partial nint CreatePlane(nint space, double a, double b, double c, double d);

    [LibraryImport(Library, EntryPoint = "dCreateBox")]
    private static partial nint CreateBox(nint space, double x, double y, double z);

    [LibraryImport(Library, EntryPoint = "dCreateSphere")]
    private static partial nint CreateSphere(nint space, double radius);

    [LibraryImport(Library, EntryPoint = "dGeomSetBody")]
    private static partial void GeomSetBody(nint shape, nint body);

    [LibraryImport(Library, EntryPoint = "dGeomGetBody")]
    private static partial nint GeomGetBody(nint shape);

    [LibraryImport(Library, EntryPoint = "dGeomDestroy")]
    private static partial void GeomDestroy(nint shape);

    [LibraryImport(Library, EntryPoint = "dBodyCreate")]
    private static partial nint BodyCreate(nint world);

    [LibraryImport(Library, EntryPoint = "dBodyDestroy")]
    private static partial void BodyDestroy(nint body);

    [LibraryImport(Library, EntryPoint = "dBodyGetFirstGeom")]
    private static partial nint BodyGetFirstGeom(nint body);

    [LibraryImport(Library, EntryPoint = "dBodySetMass")]
    private static partial void BodySetMass(nint body, Mass* mass);

    [LibraryImport(Library, EntryPoint = "dBodySetPosition")]
    private static partial void BodySetPosition(nint body, double x, double y, double z);

    [LibraryImport(Library, EntryPoint = "dBodySetLinearVel")]
    private static partial void BodySetLinearVel(nint body, double x, double y, double z);

    [LibraryImport(Library, EntryPoint = "dBodyGetPosition")]
    private static partial double* BodyGetPosition(nint body);

    [LibraryImport(Library, EntryPoint = "dBodyGetQuaternion")]
    private static partial double* BodyGetQuaternion(nint body);

    [LibraryImport(Library, EntryPoint = "dMassSetBox")]
    private static partial void MassSetBox(Mass* mass, double density, double x, double y, double z);

    [LibraryImport(Library, EntryPoint = "dMassSetSphere")]
    private static partial void MassSetSphere(Mass* mass, double density, double radius);

    [LibraryImport(Library, EntryPoint = "dJointGroupCreate")]
    private static partial nint JointGroupCreate(int unused);

    [LibraryImport(Library, EntryPoint = "dJointGroupEmpty")]
    private static partial void JointGroupEmpty(nint group);

    [LibraryImport(Library, EntryPoint = "dJointGroupDestroy")]
    private static partial void JointGroupDestroy(nint group);

    [LibraryImport(Library, EntryPoint = "dJointCreateContact")]
    private static partial nint JointCreateContact(nint world, nint group, Contact* contact);

    [LibraryImport(Library, EntryPoint = "dJointAttach")]
    private static partial void JointAttach(nint joint, nint one, nint other);
}
