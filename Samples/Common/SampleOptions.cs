// The options that several samples have: same names, same help.
using System.CommandLine;
using System.Globalization;
using System.Text.Json;

namespace Samples.Common;

/// <summary>Makes options, and has those that the samples share.</summary>
internal static class SampleOptions
{
    public static readonly Option<string?> Json = New<string?>(
        "--json",
        "Write the results as JSON to a file, or with '-' to standard output in place of the tables.",
        "PATH|-");

    /// <summary>Names the owners of page faults.</summary>
    public static readonly Option<bool> Faults = New<bool>(
        "--faults", "Also name the owner of each page fault in the first repeat. It costs the faulting thread time.");

    /// <summary>What profiles sample allocations by; <see cref="SampleHost"/> hands it to them.</summary>
    public static readonly Option<long?> CallSites = MakeCallSites();

    /// <summary>In a measuring child process: the one row to measure.</summary>
    public static readonly Option<string?> OnlyRow = new("--only-row") { Hidden = true };

    /// <summary>An option.</summary>
    /// <param name="help">What the help says.</param>
    /// <param name="value">What the help calls its value.</param>
    public static Option<T> New<T>(string name, string help, string? value = null) =>
        new(name) { Description = help, HelpName = value };

    /// <summary>An option with a usual value.</summary>
    public static Option<T> New<T>(string name, string help, string value, T usual) =>
        new(name) { Description = help, HelpName = value, DefaultValueFactory = _ => usual };

    /// <summary>How often each row is measured.</summary>
    /// <param name="usually">How often without the option, in words.</param>
    public static Option<int?> Repeat(string usually) => New<int?>(
        "--repeat",
        $"How often each row is measured, the rows by turns; usually {usually}. Times are medians; of faults, calls, "
        + $"bytes and collections the most.",
        "N").Within(1, 1000);

    public static Option<T> Seed<T>(T usual) => New("--seed", "Where the random numbers begin.", "N", usual);

    /// <summary>One allocator only.</summary>
    public static Option<string?> Allocator(params AllocatorKind[] kinds)
    {
        string[] names = Array.ConvertAll(kinds, EnumNames<AllocatorKind>.Of);
        Option<string?> option = New<string?>(
            "--allocator", $"One allocator only: {string.Join(", ", names)}.", "NAME");
        option.AcceptOnlyFromAmong(names);
        return option;
    }

    /// <summary>Makes a profile in place of the measurements.</summary>
    /// <param name="what">What of the sample is profiled.</param>
    public static Option<string?> Profile(string what) =>
        New<string?>(
            "--profile",
            $"Profile {what}, and write profile.json, report.html, trace.json and tables of it there.",
            "DIR");

    private static Option<long?> MakeCallSites()
    {
        const string Profile = "--profile";
        Option<long?> option = New<long?>(
            "--call-sites",
            $"With {Profile}: sample one allocation in so many bytes, {SampleProfile.UsualSampling} without a number, "
            + "and tell where memory comes from, by call stack and tag.",
            "BYTES").Within(1, 1L << 40, " bytes");
        option.Arity = System.CommandLine.ArgumentArity.ZeroOrOne;
        option.Validators.Add(result =>
        {
            bool hasProfile = result.Parent is System.CommandLine.Parsing.CommandResult command
                && command.Children.OfType<System.CommandLine.Parsing.OptionResult>()
                    .Any(other => other.Option.Name == Profile);
            if (!hasProfile)
                result.AddError($"{option.Name} is for a profile: give {Profile} DIR, too.");
        });
        return option;
    }

    /// <summary>Refuses values outside a range. The parser itself refuses what is no number.</summary>
    public static Option<T> Within<T>(this Option<T> option, decimal least, decimal most, string unit = "")
    {
        option.Validators.Add(result =>
        {
            if (result.Tokens is [var token]
                && decimal.TryParse(token.Value, NumberStyles.Float, CultureInfo.InvariantCulture, out decimal value)
                && (value < least || value > most))
            {
                result.AddError($"{option.Name} takes {least} to {most}{unit}, not {value}.");
            }
        });
        return option;
    }
}

/// <summary>
/// What the values of an enumeration are called on the command line and in JSON: PopulateWrite is "populate-write".
/// </summary>
internal static class EnumNames<T>
    where T : struct, Enum
{
    /// <summary>The names, in the order of the values.</summary>
    public static readonly string[] All = Array.ConvertAll(Enum.GetValues<T>(), Of);

    public static string Of(T value) => JsonNamingPolicy.KebabCaseLower.ConvertName(value.ToString());

    public static T? Find(string? name)
    {
        int index = Array.IndexOf(All, name);
        return index < 0 ? null : Enum.GetValues<T>()[index];
    }
}
