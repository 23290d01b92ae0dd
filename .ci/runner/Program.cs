// Runs the tests of Engine.Tests in this process, on one thread, without a test host: for Wine and for emulators, where
// a test host hangs. Arguments: the folders (last part of the namespace) whose tests are to run. Prints what fails, and a closing line
// "N passed, N failed, N skipped". Exit code 0 only when none failed and at least one passed.
using System.Reflection;
using Engine.Runner;
using NUnit.Framework.Api;
using NUnit.Framework.Internal;

var settings = new Dictionary<string, object> { ["NumberOfTestWorkers"] = 0, ["SynchronousEvents"] = true };
var runner = new NUnitTestAssemblyRunner(new DefaultTestAssemblyBuilder());
runner.Load(Assembly.Load("Engine.Tests"), settings);
var listener = new ResultPrinter();
runner.Run(listener, new FolderFilter(args));
Console.WriteLine($"{listener.PassedCount} passed, {listener.FailedCount} failed, {listener.SkippedCount} skipped");
return listener.FailedCount == 0 && listener.PassedCount > 0 ? 0 : 1;
