global using NUnit.Framework;
global using SuperSlab;
global using SuperSlab.Diagnostics;
global using SuperSlab.Reports;
global using SuperSlab.Scenes;
