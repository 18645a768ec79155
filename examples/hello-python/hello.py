"""The smallest plugin that exports everything: volumes of a file, and each symbol's share of the total."""

import json

import manifest
from spine import Column, batches, columns, error, write
from wit_world import exports
from wit_world.exports.quality import Finding
from wit_world.exports.source import Discovery, Page, Partition
from wit_world.imports import host

INT64_MAX = 2**63 - 1
FILES_A_DISCOVERY = 2
ROWS_A_PAGE = 1_000


class Table:
    """The rows of one file, read whole: the share of a row needs the total of all."""

    def __init__(self, name, select):
        reader = host.input(name, json.dumps(select))
        names = ("_line", "day", "symbol", "volume")
        self.batches = [columns(batch, *names) for batch in batches(reader)]
        self.rows = sum(len(volume) for *_, volume in self.batches)
        self.total = sum(value for *_, volume in self.batches for value in volume if value >= 0)
        self.file_name = dict(reader.info())["file_name"]
        if self.total > INT64_MAX:
            raise error("validation", "overflow", f"the volumes of `{self.file_name}` add up to more than 64 bits hold")

    def deliver(self, start, stop):
        """Writes the rows from `start` to before `stop` and rejects those of a negative volume."""
        out = host.output(manifest.TOTALS)
        written, first = 0, 0
        for line, day, symbol, volume in self.batches:
            rows = range(max(start - first, 0), min(stop - first, len(volume)))
            first += len(volume)
            negative = [row for row in rows if volume[row] < 0]
            if negative:
                host.reject([rejected(line[row], symbol[row], volume[row]) for row in negative])
                rows = [row for row in rows if volume[row] >= 0]
            if not rows:
                continue
            volume = volume.take(rows)
            share = Column.of("float64", [self.share(value) for value in volume])
            write(out, day=day.take(rows), symbol=symbol.take(rows), volume=volume, share=share, _line=line.take(rows))
            written += len(rows)
        return written

    def share(self, volume):
        return float(volume) / float(self.total) if self.total else None


def rejected(line, symbol, volume):
    return host.RejectedRow(line, "negative_volume", f"volume {volume} of `{symbol}` is negative", [])


def known(what, name, offered):
    if name != offered:
        raise error("config", "unknown_name", f"plugin `{manifest.NAME}` has no {what} `{name}`")


class Plugin(exports.Plugin):
    def describe(self):
        return json.dumps(manifest.MANIFEST)


class Pipeline(exports.Pipeline):
    def run(self, pipeline):
        known("pipeline", pipeline, manifest.SHARES)
        table = Table("file", {})
        rows = table.deliver(0, table.rows)
        host.stage("shares", rows, [])
        host.log("info", "shares done", [("rows", str(rows))])
        return json.dumps({"file": table.file_name, "rows": rows, "total": table.total})


class Quality(exports.Quality):
    def check(self, check, dataset):
        known("check", check, manifest.SHARES_SUM_TO_ONE)
        shares = (share for batch in batches(host.input(f"staged:{dataset}", "{}")) for share in columns(batch, "share")[0])
        total, found = 0.0, False
        for share in shares:
            if share is not None:
                total, found = total + share, True
        # One file adds up to 1; a source may have staged several.
        if not found or (total > 0.5 and abs(total - round(total)) <= 1e-6):
            return []
        message = f"shares sum to {total}, not to a whole number of files"
        details = [("actual", str(total)), ("expected", "a whole number")]
        return [Finding("FAIL", "BUSINESS_RULE", message, details, [])]


class Source(exports.Source):
    def discover(self, source, since):
        known("source", source, manifest.DROP)
        after = since or b""
        found = [file for file in host.files("drop") if file.name.endswith(".psv") and file.name.encode() > after]
        taken = found[:FILES_A_DISCOVERY]
        partitions = [Partition([("file", file.name)], str(file.size), []) for file in taken]
        return Discovery(partitions, taken[-1].name.encode() if taken else since, len(found) > len(taken))

    def fetch(self, source, partition, cursor):
        known("source", source, manifest.DROP)
        file = dict(partition.key).get("file")
        if file is None:
            raise error("source", "bad_partition", "a partition of this source is named by its `file`")
        start = delivered(cursor)
        table = Table(f"drop/{file}", {"format": manifest.FORMAT})
        stop = min(start + ROWS_A_PAGE, table.rows)
        rows = table.deliver(start, stop)
        if stop < table.rows:
            return Page(rows, "more", str(stop).encode(), [])
        return Page(rows, "done", None, [])


def delivered(cursor):
    if cursor is None:
        return 0
    if not cursor.isdigit():
        raise error("source", "bad_cursor", f"a cursor of this source counts rows, {cursor!r} does not")
    return int(cursor)


class Task(exports.Task):
    def call(self, task, input):
        known("task", task, manifest.ECHO)
        given = json.loads(input)
        text, times = given["text"], given.get("times", 1)
        if not 0 <= times <= 100:
            raise error("config", "bad_params", f"`times` is {times}; it may be 0 to 100")
        return json.dumps({"text": " ".join([text] * times), "length": len(text)})
