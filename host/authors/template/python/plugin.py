"""Prices of a day: reads the publisher's file, and adds how far each price moved."""

import json

import manifest
from rows import change_pct, enough_volume
from spine import Column, batches, columns, error, write
from wit_world import exports
from wit_world.exports.quality import Finding
from wit_world.imports import host

COLUMNS = ("_line", "day", "symbol", "open", "close", "volume")


def known(what, name, offered):
    if name != offered:
        raise error("config", "unknown_name", f"plugin `{manifest.NAME}` has no {what} `{name}`")


class Plugin(exports.Plugin):
    def describe(self):
        return json.dumps(manifest.MANIFEST)


class Pipeline(exports.Pipeline):
    def run(self, pipeline):
        known("pipeline", pipeline, manifest.LOAD)
        least = json.loads(host.params())["min_volume"]
        out = host.output(manifest.PRICES)
        # Batch by batch, so that a file of any size needs little memory.
        for batch in batches(host.input("file", "{}")):
            load(batch, least, out)
        return json.dumps({})


def load(batch, least, out):
    line, day, symbol, open_, close, volume = columns(batch, *COLUMNS)
    kept, low = enough_volume(list(volume), least)
    if low:
        host.reject([host.RejectedRow(line[row], "low_volume", f"volume {volume[row]} is below {least}", []) for row in low])
    open_, close = open_.take(kept), close.take(kept)
    write(
        out,
        day=day.take(kept),
        symbol=symbol.take(kept),
        open=open_,
        close=close,
        volume=volume.take(kept),
        change_pct=Column.of("float64", [change_pct(*prices) for prices in zip(open_, close)]),
        # With the lines, a check can name the one that it does not like.
        _line=line.take(kept),
    )


class Quality(exports.Quality):
    def check(self, check, dataset):
        known("check", check, manifest.CLOSES_ARE_POSITIVE)
        staged = batches(host.input(f"staged:{dataset}", "{}"))
        bad = sum(1 for batch in staged for close in columns(batch, "close")[0] if close <= 0)
        if bad == 0:
            return []
        details = [("actual", str(bad)), ("expected", "0")]
        return [Finding("FAIL", "BUSINESS_RULE", f"{bad} closes are 0 or less", details, [])]
