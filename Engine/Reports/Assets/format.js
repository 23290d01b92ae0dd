// Numbers as people read them. Sizes are bytes, times nanoseconds.

/** Three significant digits, and above them all before the point, as the engine's texts have them (Sizes.cs, Times.cs). */
const digits = (value) => value >= 999.5 ? countText(Math.round(value)) : value.toLocaleString("en-US", { maximumSignificantDigits: 3 });

const countText = (value) => value.toLocaleString("en-US");

function bytesText(bytes) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  let value = Math.abs(bytes);
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${bytes < 0 ? "−" : ""}${digits(value)} ${units[unit]}`;
}

function timeText(nanoseconds) {
  if (nanoseconds < 1e3) {
    return `${Math.round(nanoseconds)} ns`;
  }
  if (nanoseconds < 1e6) {
    return `${digits(nanoseconds / 1e3)} µs`;
  }
  return nanoseconds < 1e9 ? `${digits(nanoseconds / 1e6)} ms` : `${digits(nanoseconds / 1e9)} s`;
}

/** A moment on an axis whose marks lie a step apart, with as many digits as tell them apart. */
function momentText(nanoseconds, step) {
  const [unit, name] = [[1e9, "s"], [1e6, "ms"], [1e3, "µs"]].find(([size]) => Math.abs(nanoseconds) >= size) ?? [1, "ns"];
  const decimals = Math.max(0, Math.min(9, Math.ceil(-Math.log10(step / unit) - 1e-9)));
  return `${(nanoseconds / unit).toLocaleString("en-US", { minimumFractionDigits: decimals, maximumFractionDigits: decimals })} ${name}`;
}

/** A value of an engine's column; null where the column does not apply to the row. */
function valueText(value, unit) {
  if (value === null || value === undefined) {
    return "–";
  }
  return { count: countText, bytes: bytesText, nanoseconds: timeText }[unit]?.(value) ?? value;
}

/** What the profile's file calls TransparentHuge, as plans and settings write it: transparent-huge. */
const wordText = (name) => name.replace(/(?<=[a-z])(?=[A-Z])/g, "-").toLowerCase();

const shareText = (part, whole) => whole > 0 ? `${digits(100 * part / whole)} %` : "–";

const counted = (count, one, many = `${one}s`) => `${countText(count)} ${count === 1 ? one : many}`;

const sum = (values) => values.reduce((total, value) => total + value, 0);

// Not Math.max(...values): a call takes no hundred thousand arguments.
const largest = (values) => values.reduce((most, value) => value > most ? value : most, 0);
