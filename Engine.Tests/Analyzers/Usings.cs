global using Engine.Tests.Analyzers.Support;
global using NUnit.Framework;
global using SuperSlab.Analyzers;

[assembly: Parallelizable(ParallelScope.All)]
