"""What the plugin offers, as `describe` returns it. Its JSON Schema is `spine/wit/manifest.schema.json`.

Run as a program it prints the manifest: `spine-host plugin build` makes the world from that which the component needs.
"""

NAME = "@NAME@"
PRICES = f"{NAME}.prices"
LOAD = f"{NAME}.load"
CLOSES_ARE_POSITIVE = "closes_are_positive"

MANIFEST = {
    "contract": "@CONTRACT@",
    "name": NAME,
    "version": "0.1.0",
    "description": "Prices of a day.",
    "formats": [
        {
            "name": "prices_csv",
            "kind": "delimited",
            "delimiter": ",",
            "columns": [
                {"header": "Date", "name": "day", "type": "date32", "key": True, "date_format": "%Y-%m-%d"},
                {"header": "Symbol", "name": "symbol", "type": "utf8", "key": True},
                {"header": "Open", "name": "open", "type": "decimal128(18,6)"},
                {"header": "Close", "name": "close", "type": "decimal128(18,6)"},
                {"header": "Volume", "name": "volume", "type": "int64", "nullable": True, "nulls": ["", "--"]},
            ],
        }
    ],
    "datasets": [
        {
            "name": PRICES,
            "description": "One row for each symbol of a day.",
            "columns": [
                {"name": "day", "type": "date32", "description": "The session."},
                {"name": "symbol", "type": "utf8", "description": "Case-sensitive, as the publisher writes it."},
                {"name": "open", "type": "decimal128(18,6)", "unit": "USD"},
                {"name": "close", "type": "decimal128(18,6)", "unit": "USD"},
                {"name": "volume", "type": "int64", "unit": "shares", "nullable": True},
                {
                    "name": "change_pct",
                    "type": "float64",
                    "unit": "percent",
                    "nullable": True,
                    "description": "100 x (close - open) / open; null where the open is 0.",
                },
            ],
            "key": ["symbol", "day"],
            "partition_by": ["day"],
            "checks": [
                {
                    "name": CLOSES_ARE_POSITIVE,
                    "category": "BUSINESS_RULE",
                    "severity": "block",
                    "by": "plugin",
                    "description": "Every close is above 0.",
                }
            ],
        }
    ],
    "pipelines": [
        {
            "name": LOAD,
            "description": "Loads a day of prices.",
            "params": [
                {
                    "name": "file",
                    "type": "file",
                    "required": True,
                    "example": "prices.csv",
                    "description": "The file of one day.",
                },
                {
                    "name": "min_volume",
                    "type": "integer",
                    "default": 0,
                    "description": "Lines with less volume than this are rejected.",
                },
            ],
            "inputs": [{"name": "file", "formats": ["prices_csv"]}],
            "outputs": [PRICES],
            "accounting": "one-to-one",
        }
    ],
}

if __name__ == "__main__":
    import json

    print(json.dumps(MANIFEST))
