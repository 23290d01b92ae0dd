using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CodeFixes;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Testing;
using Microsoft.CodeAnalysis.Diagnostics;
using Microsoft.CodeAnalysis.Testing;
using SuperSlab;

namespace Engine.Tests.Analyzers.Support;

/// <summary>
/// Compiles code against the real engine and holds the analyzers to what is marked in it: {|SSE0001:code|} is reported
/// with exactly these bounds, and nothing else is. All rules of an analyzer run in each test, so that one rule's right
/// code is no other's wrong.
/// </summary>
internal static class Check
{
    private const string Usings = """
        using System;
        using System.Collections.Generic;
        using System.Threading;
        using System.Threading.Tasks;
        using SuperSlab;
        using SuperSlab.Collections;
        using SuperSlab.Diagnostics;
        using SuperSlab.Scenes;

        """;

    private const string Parameters =
        "EngineMemory memory, LongLivedArena arena, LongLivedArena other, ArenaGroup group, FrameArena frameArena, "
        + "GameFrames frames, HotLoopGuard guard, AllocationTag tag";

    /// <summary>The runtime's own assemblies, so that nothing is fetched; no more than the code and the engine name,
    /// as each compilation binds them all.</summary>
    private static readonly MetadataReference[] s_runtime =
    [
        .. new[]
        {
            "System.Private.CoreLib", "System.Runtime", "System.Collections", "System.Console", "System.Linq",
            "System.Memory", "System.Threading", "System.Threading.Tasks.Parallel", "System.Threading.Thread",
            "System.Threading.ThreadPool", "System.Runtime.InteropServices", "System.Runtime.Loader",
            "System.Diagnostics.Tracing", "netstandard",
        }.Select(name => MetadataReference.CreateFromFile(
            Path.Combine(Path.GetDirectoryName(typeof(object).Assembly.Location)!, name + ".dll"))),
    ];

    private static readonly MetadataReference[] s_engine =
    [
        MetadataReference.CreateFromFile(typeof(EngineMemory).Assembly.Location),
        MetadataReference.CreateFromFile(
            Path.Combine(AppContext.BaseDirectory, "CommunityToolkit.HighPerformance.dll")),
    ];

    /// <summary>All that code for the engine refers to.</summary>
    public static IEnumerable<MetadataReference> References => [.. s_runtime, .. s_engine];

    /// <summary>Types, after the usings of the engine.</summary>
    public static string Types(string types) => Usings + types;

    /// <summary>Members of a class whose methods may have pointers.</summary>
    public static string Members(string members) => $"{Usings}internal unsafe class Game\n{{\n{members}\n}}\n";

    /// <summary>The statements of a method whose parameters are an arena and others.</summary>
    public static string Statements(string statements) =>
        Members($"    private static void Run({Parameters})\n    {{\n{Indent(statements)}\n    }}");

    /// <summary>The code has exactly the marked diagnostics.</summary>
    public static Task Code<TAnalyzer>(string code, params DiagnosticResult[] expected)
        where TAnalyzer : DiagnosticAnalyzer, new()
    {
        CSharpAnalyzerTest<TAnalyzer, DefaultVerifier> test = new() { TestCode = code };
        Prepare(test, withEngine: true);
        test.ExpectedDiagnostics.AddRange(expected);
        return test.RunAsync();
    }

    /// <summary>The same without a reference to the engine.</summary>
    public static Task CodeWithoutEngine<TAnalyzer>(string code)
        where TAnalyzer : DiagnosticAnalyzer, new()
    {
        CSharpAnalyzerTest<TAnalyzer, DefaultVerifier> test = new() { TestCode = code };
        Prepare(test, withEngine: false);
        return test.RunAsync();
    }

    /// <summary>The statements have exactly the marked diagnostics.</summary>
    public static Task InMethod(string statements) => Code<EngineUseAnalyzer>(Statements(statements));

    /// <summary>The members of a class have exactly the marked diagnostics.</summary>
    public static Task InClass(string members) => Code<EngineUseAnalyzer>(Members(members));

    /// <summary>What stands at {|#0:code|} is reported with this message.</summary>
    public static Task Message<TAnalyzer>(string rule, DiagnosticSeverity severity, string code, string message)
        where TAnalyzer : DiagnosticAnalyzer, new() =>
        Code<TAnalyzer>(code, new DiagnosticResult(rule, severity).WithLocation(0).WithMessage(message));

    /// <summary>The message of a warning at {|#0:code|} in a method.</summary>
    public static Task Message(string rule, string statements, string message) => Message<EngineUseAnalyzer>(
        rule, DiagnosticSeverity.Warning, Statements(statements), message);

    /// <summary>The fix makes the one of the other; code without a fix stays as it is.</summary>
    public static Task Fix<TAnalyzer, TFix>(string wrong, string right)
        where TAnalyzer : DiagnosticAnalyzer, new()
        where TFix : CodeFixProvider, new()
    {
        CSharpCodeFixTest<TAnalyzer, TFix, DefaultVerifier> test = new()
        {
            TestCode = wrong,
            FixedCode = right,
            CodeActionValidationMode = CodeActionValidationMode.None,
        };
        Prepare(test, withEngine: true);
        return test.RunAsync();
    }

    /// <summary>The fix of a rule about the use of the engine, in a method.</summary>
    public static Task Fix<TFix>(string wrong, string right)
        where TFix : CodeFixProvider, new() =>
        Fix<EngineUseAnalyzer, TFix>(Statements(wrong), Statements(right));

    private static void Prepare(AnalyzerTest<DefaultVerifier> test, bool withEngine)
    {
        test.ReferenceAssemblies = new ReferenceAssemblies("net10.0");
        test.TestState.AdditionalReferences.AddRange(s_runtime);
        if (withEngine)
            test.TestState.AdditionalReferences.AddRange(s_engine);

        test.SolutionTransforms.Add(static (solution, project) =>
        {
            CompilationOptions options = solution.GetProject(project)!.CompilationOptions!;
            return solution
                .WithProjectCompilationOptions(project, ((CSharpCompilationOptions)options).WithAllowUnsafe(true))
                .WithProjectParseOptions(project, new CSharpParseOptions(LanguageVersion.Latest));
        });
    }

    private static string Indent(string lines) =>
        string.Join('\n', lines.Split('\n').Select(line => line.Length == 0 ? line : "        " + line));
}
