global using NUnit.Framework;
global using SuperSlab;
global using SuperSlab.Diagnostics;
global using SuperSlab.Scenes;

[assembly: Engine.Tests.Support.ValidatesEveryMemory]
