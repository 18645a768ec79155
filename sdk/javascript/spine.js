/**
 * Typed columns over the buffers of the contract, for plugins written in JavaScript.
 *
 * A column crosses the boundary as raw Arrow buffers; numbers become typed arrays over them, text is decoded value by
 * value. The layout is that of `wit/README.md`. `int64` and timestamps are `BigInt`, decimals unscaled `BigInt`s, dates
 * days since 1970, and `null` is null.
 */

const NUMBERS = { int64: BigInt64Array, float64: Float64Array, date32: Int32Array, "timestamp[us,UTC]": BigInt64Array };
const DECIMAL = /^decimal128\(\d+,\d+\)$/;
const NOTHING = new Uint8Array(0);
const decoder = new TextDecoder();
const encoder = new TextEncoder();

/** One column of one batch. It owns its bytes, so it outlives the batch. */
export class Column {
  constructor(dtype, buffers) {
    if (!(dtype in NUMBERS) && dtype !== "utf8" && dtype !== "bool" && !DECIMAL.test(dtype)) {
      throw new TypeError(`the contract has no type \`${dtype}\``);
    }
    this.dtype = dtype;
    this.buffers = buffers;
    const words = dtype === "utf8" ? Int32Array : (NUMBERS[dtype] ?? (DECIMAL.test(dtype) ? BigInt64Array : Uint8Array));
    this.view = typed(words, buffers.parts[1]);
  }

  /** Builds a column from an array of values. */
  static of(dtype, values) {
    const valid = values.includes(null) ? bitmap(values.map((value) => value !== null)) : NOTHING;
    return new Column(dtype, { rows: values.length, parts: [valid, ...encode(dtype, values)] });
  }

  get length() {
    return this.buffers.rows;
  }

  get(row) {
    const [valid, , text] = this.buffers.parts;
    if (valid.length > 0 && !((valid[row >> 3] >> (row & 7)) & 1)) return null;
    if (this.dtype === "utf8") return decoder.decode(text.subarray(this.view[row], this.view[row + 1]));
    if (this.dtype === "bool") return ((this.view[row >> 3] >> (row & 7)) & 1) === 1;
    if (this.dtype in NUMBERS) return this.view[row];
    return (this.view[2 * row + 1] << 64n) | BigInt.asUintN(64, this.view[2 * row]);
  }

  *[Symbol.iterator]() {
    for (let row = 0; row < this.length; row++) yield this.get(row);
  }

  /** The values at these positions, in this order. */
  take(rows) {
    return Column.of(
      this.dtype,
      rows.map((row) => this.get(row)),
    );
  }
}

function encode(dtype, values) {
  if (dtype === "utf8") {
    const texts = values.map((value) => (value === null ? NOTHING : encoder.encode(value)));
    const offsets = new Int32Array(values.length + 1);
    texts.forEach((text, at) => (offsets[at + 1] = offsets[at] + text.length));
    const joined = new Uint8Array(offsets[values.length]);
    texts.forEach((text, at) => joined.set(text, offsets[at]));
    return [bytes(offsets), joined];
  }
  if (dtype === "bool") return [bitmap(values)];
  if (dtype in NUMBERS) {
    const zero = NUMBERS[dtype] === BigInt64Array ? 0n : 0;
    return [bytes(NUMBERS[dtype].from(values, (value) => value ?? zero))];
  }
  const words = new BigInt64Array(2 * values.length);
  values.forEach((value, at) => {
    words[2 * at] = BigInt.asIntN(64, value ?? 0n);
    words[2 * at + 1] = (value ?? 0n) >> 64n;
  });
  return [bytes(words)];
}

/** A typed array over `source`, which may lie at any address; copied only where that is needed. */
function typed(Words, source) {
  const aligned = source.byteOffset % Words.BYTES_PER_ELEMENT === 0 ? source : source.slice();
  return new Words(aligned.buffer, aligned.byteOffset, Math.floor(aligned.byteLength / Words.BYTES_PER_ELEMENT));
}

function bytes(words) {
  return new Uint8Array(words.buffer, words.byteOffset, words.byteLength);
}

/** Packs booleans, least significant bit first, the padding zero. */
function bitmap(bits) {
  const packed = new Uint8Array(Math.ceil(bits.length / 8));
  bits.forEach((bit, at) => {
    if (bit) packed[at >> 3] |= 1 << (at & 7);
  });
  return packed;
}

/** The batches of a reader until its end. Each is valid until the next is asked for. */
export function* batches(reader) {
  for (let batch = reader.next(); batch !== undefined; batch = reader.next()) yield batch;
}

/** Copies the named columns of a batch into the guest, as an object of `Column`s. */
export function columns(batch, ...names) {
  const dtypes = new Map(batch.schema().map((field) => [field.name, field.dtype]));
  const copied = batch.columns(names);
  return Object.fromEntries(names.map((name, at) => [name, new Column(dtypes.get(name), copied[at])]));
}

/** Writes one batch: a `Column` for each column of the dataset, all of one length. */
export function write(writer, table) {
  return writer.write(Object.entries(table).map(([name, column]) => [name, column.buffers]));
}

/** An error to `throw`; kinds and codes are those of `host.error` in the contract. */
export function error(kind, code, message) {
  return { kind, code, message, retryable: undefined, retryAfterMs: undefined, details: [] };
}
