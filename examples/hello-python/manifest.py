"""What the plugin offers, as `describe` returns it. Its JSON Schema is `wit/manifest.schema.json`."""

NAME = "hello_python"
TOTALS = f"{NAME}.totals"
SHARES = f"{NAME}.shares"
DROP = f"{NAME}.drop"
ECHO = f"{NAME}.echo"
FORMAT = "hello_psv"
SHARES_SUM_TO_ONE = "shares_sum_to_one"

MANIFEST = {
    "contract": "0.1.1",
    "name": NAME,
    "version": "0.1.0",
    "description": "The smallest plugin in Python: volumes and their shares of a file's total.",
    "formats": [
        {
            "name": FORMAT,
            "kind": "delimited",
            "delimiter": "|",
            "columns": [
                {"header": "Date", "name": "day", "type": "date32", "key": True, "date_format": "%Y-%m-%d"},
                {"header": "Symbol", "name": "symbol", "type": "utf8", "key": True},
                {"header": "Volume", "name": "volume", "type": "int64"},
            ],
        }
    ],
    "datasets": [
        {
            "name": TOTALS,
            "description": "Volume of each symbol and its share of the file's total.",
            "columns": [
                {"name": "day", "type": "date32", "description": "The day of the file."},
                {"name": "symbol", "type": "utf8", "description": "Case-sensitive symbol."},
                {"name": "volume", "type": "int64", "unit": "shares"},
                {"name": "share", "type": "float64", "unit": "fraction", "nullable": True},
            ],
            "key": ["symbol", "day"],
            "partition_by": ["day"],
            "checks": [
                {
                    "name": SHARES_SUM_TO_ONE,
                    "category": "BUSINESS_RULE",
                    "severity": "block",
                    "by": "plugin",
                    "description": "The shares of each file add up to one.",
                }
            ],
        }
    ],
    "pipelines": [
        {
            "name": SHARES,
            "description": "Reads one file of volumes.",
            "params": [{"name": "file", "type": "file", "required": True, "description": "The file to read."}],
            "inputs": [{"name": "file", "formats": [FORMAT]}],
            "outputs": [TOTALS],
            "accounting": "one-to-one",
        }
    ],
    "sources": [{"name": DROP, "description": "Picks up the files of a folder.", "outputs": [TOTALS]}],
    "tasks": [
        {
            "name": ECHO,
            "description": "Says a text again.",
            "params": [
                {"name": "text", "type": "string", "required": True, "description": "What to say."},
                {"name": "times", "type": "integer", "default": 1, "description": "How often, at most 100."},
            ],
        }
    ],
    "capabilities": [{"kind": "folder", "name": "drop", "required": False, "reason": "Files to pick up."}],
}

if __name__ == "__main__":
    import json

    print(json.dumps(MANIFEST))
