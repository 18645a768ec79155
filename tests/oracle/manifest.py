"""Holds manifests against `wit/manifest.schema.json`: manifest.py [FILE ...], or one manifest on standard input.

Prints a line for each thing that is wrong and exits 1; 75 if `jsonschema` is not installed.
"""

import json
import pathlib
import sys

try:
    from jsonschema import Draft202012Validator
except ImportError:
    print("skipped: jsonschema is not installed; `make oracle` says why", file=sys.stderr)
    sys.exit(75)

SCHEMA = pathlib.Path(__file__).parents[2] / "wit" / "manifest.schema.json"


def main(files):
    schema = json.loads(SCHEMA.read_text())
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    wrong = 0
    for name, text in [(file, pathlib.Path(file).read_text()) for file in files] or [("manifest", sys.stdin.read())]:
        for error in sorted(validator.iter_errors(json.loads(text)), key=lambda error: list(map(str, error.path))):
            print(f"{name}: {error.json_path}: {error.message}")
            wrong += 1
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
