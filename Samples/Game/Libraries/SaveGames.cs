// Level data and saved games in a database of SQLite, through the few of its functions that they need.
using System.Runtime.InteropServices;
using System.Text;
using Samples.Common;

namespace Samples.Game.Libraries;

/// <summary>
/// Numbers that describe levels, and the last state of each. In memory, or in a file. Any thread: SQLite has a lock.
/// </summary>
internal sealed unsafe partial class SaveGames : IDisposable
{
    private const string Library = "e_sqlite3";
    private const int Row = 100;
    private const int Done = 101;

    private const string Schema = """
        pragma journal_mode = memory;
        create table if not exists setting(level text, name text, value integer, primary key(level, name));
        create table if not exists save(level text primary key, step integer, score integer, hash integer);
        insert or ignore into setting values
            ('towers', 'towers', 5), ('towers', 'layers', 9), ('swarm', 'agents', 20000), ('city', 'floors', 14);
        """;

    private readonly nint _database;
    private readonly nint _save;

    /// <param name="path">A file; null keeps all in memory.</param>
    /// <exception cref="BadInputException">The file cannot be used.</exception>
    public SaveGames(string? path)
    {
        int result = Open(path ?? ":memory:", out _database);
        result = result == 0 ? Execute(_database, Schema, 0, 0, 0) : result;
        if (result != 0)
        {
            string message = Marshal.PtrToStringUTF8(GetError(_database)) ?? $"error {result}";
            _ = Close(_database);
            throw new BadInputException($"--save: '{path}' cannot be used: {message}.");
        }

        _save = Prepared("insert or replace into save values(?1, ?2, ?3, ?4)");
    }

    /// <summary>Its library.</summary>
    public static nint Load() => NativeLibrary.Load(Library, typeof(SaveGames).Assembly, null);

    /// <summary>A number of a level. At level load.</summary>
    public int Setting(string level, string name)
    {
        nint query = Prepared($"select value from setting where level = '{level}' and name = '{name}'");
        bool isThere = Step(query) == Row;
        long value = isThere ? GetNumber(query, 0) : 0;
        _ = EndStatement(query);
        return isThere ? (int)value : throw new RunFailedException($"The database has no '{name}' of level '{level}'.");
    }

    /// <summary>The score that a level was left with, 0 if it never was. At level load.</summary>
    public long SavedScore(string level)
    {
        nint query = Prepared($"select score from save where level = '{level}'");
        long score = Step(query) == Row ? GetNumber(query, 0) : 0;
        _ = EndStatement(query);
        return score;
    }

    /// <summary>Saves a level's state, in place of that of before. In the hot loop.</summary>
    /// <param name="level">Its name, in UTF-8.</param>
    public void Save(ReadOnlySpan<byte> level, long step, int score, uint hash)
    {
        fixed (byte* name = level)
        {
            _ = BindText(_save, 1, name, level.Length, 0);
            _ = BindNumber(_save, 2, step);
            _ = BindNumber(_save, 3, score);
            _ = BindNumber(_save, 4, hash);
            int result = Step(_save);
            _ = Reset(_save);
            if (result != Done)
                throw new RunFailedException($"The game cannot be saved: SQLite's error {result}.");
        }
    }

    /// <summary>Gives all of SQLite's memory back.</summary>
    public void Dispose()
    {
        _ = EndStatement(_save);
        _ = Close(_database);
        _ = Shutdown();
    }

    private nint Prepared(string sql)
    {
        byte[] text = Encoding.UTF8.GetBytes(sql);
        int result = Prepare(_database, text, text.Length, out nint statement, 0);
        return result == 0
            ? statement
            : throw new RunFailedException($"SQLite: {Marshal.PtrToStringUTF8(GetError(_database))}.");
    }

    [LibraryImport(Library, EntryPoint = "sqlite3_open", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Open(string path, out nint database);

    [LibraryImport(Library, EntryPoint = "sqlite3_close")]
    private static partial int Close(nint database);

    [LibraryImport(Library, EntryPoint = "sqlite3_shutdown")]
    private static partial int Shutdown();

    [LibraryImport(Library, EntryPoint = "sqlite3_errmsg")]
    private static partial nint GetError(nint database);

    [LibraryImport(Library, EntryPoint = "sqlite3_exec", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Execute(nint database, string sql, nint callback, nint data, nint error);

    [LibraryImport(Library, EntryPoint = "sqlite3_prepare_v2")]
    private static partial int Prepare(nint database, byte[] sql, int bytes, out nint statement, nint rest);

    [LibraryImport(Library, EntryPoint = "sqlite3_step")]
    private static partial int Step(nint statement);

    [LibraryImport(Library, EntryPoint = "sqlite3_reset")]
    private static partial int Reset(nint statement);

    [LibraryImport(Library, EntryPoint = "sqlite3_finalize")]
    private static partial int EndStatement(nint statement);

    [LibraryImport(Library, EntryPoint = "sqlite3_column_int64")]
    private static partial long GetNumber(nint statement, int column);

    [LibraryImport(Library, EntryPoint = "sqlite3_bind_text")]
    private static partial int BindText(nint statement, int at, byte* text, int bytes, nint destructor);

    [LibraryImport(Library, EntryPoint = "sqlite3_bind_int64")]
    private static partial int BindNumber(nint statement, int at, long value);
}
