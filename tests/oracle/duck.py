"""DuckDB as a reader of the catalog that knows nothing of our host: the oracle of the tests.

    duck.py CATALOG SQL [SQL ...]    prints one JSON document per statement: an array of row objects
    duck.py --lines                  answers each line of standard input by one line of JSON (below)

The catalog is attached as `lake`, read only, so that a table is `lake.finra.regsho_daily`. Lines are one statement
each, or (with arguments quoted as in a shell)
    .attach CATALOG [DATA_PATH]      attaches (again); DATA_PATH says where the captures of a copied catalog lie
    .detach                          closes the catalog, so that its files may go
and answers are `{"rows": [...]}`, `{"ok": true}` or `{"error": "..."}`.

Values: decimals as text with all their digits; dates `YYYY-MM-DD`; times RFC 3339 in UTC with microseconds; NaN and
infinities as "NaN", "Infinity", "-Infinity"; bytes as hex. Exit 1 and a sentence if a statement fails; 75 if DuckDB is
not installed.
"""

import datetime
import decimal
import importlib.resources
import json
import math
import shlex
import sys

try:
    import duckdb
except ImportError:
    print("skipped: duckdb is not installed; `make oracle` says why", file=sys.stderr)
    sys.exit(75)


def connect():
    """A connection with the extensions of our environment; nothing is fetched or installed for the user."""
    connection = duckdb.connect(config={"autoinstall_known_extensions": False, "autoload_known_extensions": False})
    for name in ("sqlite_scanner", "ducklake"):
        package = importlib.resources.files(f"duckdb_extension_{name}")
        file = package / "extensions" / f"v{duckdb.__version__}" / f"{name}.duckdb_extension"
        connection.execute(f"LOAD {quoted(str(file))}")
    connection.execute("SET TimeZone = 'UTC'")
    return connection


def attach(connection, catalog, data_path=None):
    options = ["READ_ONLY"]
    if data_path:
        options += [f"DATA_PATH {quoted(data_path)}", "OVERRIDE_DATA_PATH true"]
    detach(connection)
    connection.execute(f"ATTACH {quoted('ducklake:sqlite:' + catalog)} AS lake ({', '.join(options)})")


def detach(connection):
    connection.execute("DETACH DATABASE IF EXISTS lake")


def query(connection, sql):
    result = connection.execute(sql)
    names = [column[0] for column in result.description or []]
    if len(set(names)) != len(names):
        raise ValueError(f"columns of one name: {', '.join(names)}; rename them with AS")
    return [dict(zip(names, map(plain, row))) for row in result.fetchall()]


def plain(value):
    """The value as JSON has it, without losing a digit."""
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        if math.isnan(value):
            return "NaN"
        return value if math.isfinite(value) else ("Infinity" if value > 0 else "-Infinity")
    if isinstance(value, decimal.Decimal):
        return format(value, "f")
    if isinstance(value, datetime.datetime):
        return value.replace(tzinfo=None).isoformat(timespec="microseconds") + ("Z" if value.tzinfo else "")
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value).hex()
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    return str(value)


def quoted(text):
    return "'" + text.replace("'", "''") + "'"


def answer(connection, line):
    command, *rest = shlex.split(line) if line.startswith(".") else [""]
    if command == ".attach" and 1 <= len(rest) <= 2:
        attach(connection, *rest)
    elif command == ".detach" and not rest:
        detach(connection)
    elif command.startswith("."):
        raise ValueError(f"no command `{line}`; there are `.attach CATALOG [DATA_PATH]` and `.detach`")
    else:
        return {"rows": query(connection, line)}
    return {"ok": True}


def lines(connection):
    for line in filter(str.strip, sys.stdin):
        try:
            reply = answer(connection, line.strip())
        except Exception as error:  # whatever it is, the asker decides what it means
            reply = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(reply), flush=True)


def once(connection, catalog, statements):
    try:
        attach(connection, catalog)
        for sql in statements:
            print(json.dumps(query(connection, sql)))
    except Exception as error:
        print(f"duckdb: {error}", file=sys.stderr)
        return 1
    return 0


def main(arguments):
    if arguments == ["--lines"]:
        lines(connect())
        return 0
    if len(arguments) < 2 or arguments[0].startswith("-"):
        print(__doc__, file=sys.stderr)
        return 2
    return once(connect(), arguments[0], arguments[1:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
