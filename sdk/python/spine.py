"""Typed columns over the buffers of the contract, for plugins written in Python.

A column crosses the boundary as raw Arrow buffers. `Column` shows them as Python values without a copy of the whole
(numbers through `memoryview.cast`), and builds such buffers from values. The layout is that of `wit/README.md`.

Values: `bool`, `int` (int64; date32 as days and timestamps as microseconds since 1970; decimals as unscaled integers),
`float`, `str`, and `None` for null.
"""

import re
from array import array

from componentize_py_types import Err
from wit_world.imports import host
from wit_world.imports.tables import Buffers

# How `memoryview` and `array` name the values of the types that have a machine's width.
CODES = {"int64": "q", "float64": "d", "date32": "i", "timestamp[us,UTC]": "q"}
DECIMAL = re.compile(r"decimal128\(\d+,\d+\)")


class Column:
    """One column of one batch. It owns its bytes, so it outlives the batch."""

    def __init__(self, dtype, buffers):
        if dtype not in CODES and dtype not in ("utf8", "bool") and not DECIMAL.fullmatch(dtype):
            raise ValueError(f"the contract has no type `{dtype}`")
        self.dtype = dtype
        self.buffers = buffers
        self._valid = buffers.parts[0]
        # Fixed width: the values. Text: where each value starts and ends. Others are decoded one by one.
        code = "i" if dtype == "utf8" else CODES.get(dtype)
        self._view = memoryview(buffers.parts[1]).cast(code) if code else buffers.parts[1]

    @classmethod
    def of(cls, dtype, values):
        """Builds a column from values; `None` is null."""
        values = list(values)
        valid = bitmap(value is not None for value in values) if None in values else b""
        if dtype == "utf8":
            texts = [b"" if value is None else value.encode() for value in values]
            offsets = array("i", [0])
            for text in texts:
                offsets.append(offsets[-1] + len(text))
            parts = [valid, offsets.tobytes(), b"".join(texts)]
        elif dtype in CODES:
            zero = 0.0 if dtype == "float64" else 0
            parts = [valid, array(CODES[dtype], (zero if value is None else value for value in values)).tobytes()]
        elif dtype == "bool":
            parts = [valid, bitmap(bool(value) for value in values)]
        else:
            parts = [valid, b"".join((value or 0).to_bytes(16, "little", signed=True) for value in values)]
        return cls(dtype, Buffers(len(values), parts))

    def __len__(self):
        return self.buffers.rows

    def __getitem__(self, row):
        if not 0 <= row < self.buffers.rows:
            raise IndexError(row)
        if self._valid and not self._valid[row >> 3] >> (row & 7) & 1:
            return None
        if self.dtype == "utf8":
            return self.buffers.parts[2][self._view[row] : self._view[row + 1]].decode()
        if self.dtype in CODES:
            return self._view[row]
        if self.dtype == "bool":
            return bool(self._view[row >> 3] >> (row & 7) & 1)
        return int.from_bytes(self._view[16 * row : 16 * row + 16], "little", signed=True)

    def __iter__(self):
        if self.dtype in CODES and not self._valid:
            return iter(self._view)
        return (self[row] for row in range(len(self)))

    def take(self, rows):
        """The values at these positions, in this order. All of them in order costs nothing."""
        if rows == range(len(self)):
            return self
        return Column.of(self.dtype, [self[row] for row in rows])


def bitmap(bits):
    """Packs booleans, least significant bit first, the padding zero."""
    packed = bytearray()
    for at, bit in enumerate(bits):
        if at & 7 == 0:
            packed.append(0)
        packed[-1] |= bit << (at & 7)
    return bytes(packed)


def batches(reader):
    """The batches of a reader until its end. Each is valid until the next is asked for."""
    while (batch := reader.next()) is not None:
        yield batch


def columns(batch, *names):
    """Copies the named columns of a batch into the guest."""
    dtypes = {field.name: field.dtype for field in batch.schema()}
    return [Column(dtypes[name], data) for name, data in zip(names, batch.columns(list(names)))]


def write(writer, **table):
    """Writes one batch: a `Column` for each column of the dataset, all of one length."""
    return writer.write([(name, column.buffers) for name, column in table.items()])


def error(kind, code, message):
    """An error to `raise`; kinds and codes are those of `host.error` in the contract."""
    return Err(host.Error(kind, code, message, None, None, []))
