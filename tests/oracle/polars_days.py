"""What Polars needs for a folder of daily short-sale volume files: parse, add the ratio, write Parquet, file by file.

    polars_days.py FOLDER

Prints the median seconds of three rounds in one process. Nothing is checked, sorted, hashed or synced: it is the
baseline of the bench `daily_files`.
"""

import pathlib
import statistics
import sys
import tempfile
import time

import polars as pl

SCHEMA = {
    "Date": pl.String,
    "Symbol": pl.String,
    "ShortVolume": pl.Float64,
    "ShortExemptVolume": pl.Float64,
    "TotalVolume": pl.Float64,
    "Market": pl.String,
}


def day(source, target):
    rows = pl.read_csv(source, separator="|", schema=SCHEMA, truncate_ragged_lines=True, quote_char=None)
    # The last line is the count.
    rows = rows.head(rows.height - 1).with_columns(
        pl.col("Date").str.to_date("%Y%m%d"),
        (pl.col("ShortVolume") / pl.col("TotalVolume")).alias("ShortRatio"),
    )
    rows.write_parquet(target / f"{source.stem}.parquet")
    return rows.height


def main(folder):
    files = sorted(pathlib.Path(folder).glob("*.txt"))
    seconds = []
    for _ in range(3):
        with tempfile.TemporaryDirectory(dir=folder) as target:
            began = time.perf_counter()
            rows = sum(day(file, pathlib.Path(target)) for file in files)
            seconds.append(time.perf_counter() - began)
    if rows == 0:
        sys.exit(f"no rows in {folder}")
    print(statistics.median(seconds))


if __name__ == "__main__":
    main(sys.argv[1])
