// Runs the tests of Engine.Tests in this process, on one thread, without a test host: for Wine and for emulators, where
// a test host hangs. Arguments: the folders (last part of the namespace) whose tests are to run. ENGINE_TESTS_LEFT_OUT
// names categories to leave out, with commas between them; they count as skipped. Prints what fails, and a closing line
// "N passed, N failed, N skipped". Exit code 0 only when none failed and at least one passed.
using System.Reflection;
using Engine.Runner;
using NUnit.Framework.Api;
using NUnit.Framework.Internal;

var settings = new Dictionary<string, object> { ["NumberOfTestWorkers"] = 0, ["SynchronousEvents"] = true };
var runner = new NUnitTestAssemblyRunner(new DefaultTestAssemblyBuilder());
runner.Load(Assembly.Load("Engine.Tests"), settings);
var listener = new ResultPrinter();
string[] leftOut = (Environment.GetEnvironmentVariable("ENGINE_TESTS_LEFT_OUT") ?? "").Split(',');
if (Environment.GetEnvironmentVariable("ENGINE_TESTS_EMULATED") == "1")
    leftOut = [.. leftOut, "NeedsRealKernel"];

var filter = new FolderFilter(args, leftOut);
int leftOutCount = runner.CountTestCases(new FolderFilter(args, [])) - runner.CountTestCases(filter);
runner.Run(listener, filter);
int skipped = listener.SkippedCount + leftOutCount;
Console.WriteLine($"{listener.PassedCount} passed, {listener.FailedCount} failed, {skipped} skipped");
return listener.FailedCount == 0 && listener.PassedCount > 0 ? 0 : 1;
