// Numbers go in, short text for people comes out, with its unit.

const NS = [
  ["min", 60e9],
  ["s", 1e9],
  ["ms", 1e6],
  ["µs", 1e3],
  ["ns", 1],
];

/** 1500000 → "1.5 ms": three figures and the unit that suits. */
export function duration(ns) {
  if (ns === null || ns === undefined) return "";
  const size = Math.abs(ns);
  if (size >= 3600e9) return `${Math.floor(ns / 3600e9)} h ${Math.round((ns % 3600e9) / 60e9)} min`;
  if (size >= 60e9) return `${Math.floor(ns / 60e9)} min ${Math.round((ns % 60e9) / 1e9)} s`;
  const [unit, one] = NS.find(([, each]) => size >= each) ?? ["ns", 1];
  return `${figures(ns / one)} ${unit}`;
}

function figures(value) {
  const size = Math.abs(value);
  if (Number.isInteger(value) && size < 1000) return String(value);
  return value
    .toFixed(size >= 100 ? 0 : size >= 10 ? 1 : 2)
    .replace(/(\.\d*?)0+$/, "$1")
    .replace(/\.$/, "");
}

/** 0.904761 → "0.9048"; 12345.678 → "12,346". */
export function number(value) {
  if (value === null || value === undefined) return "";
  if (Number.isInteger(value)) return Math.abs(value) < 1e15 ? value.toLocaleString("en") : String(value);
  const size = Math.abs(value);
  if (size >= 1e15 || size < 1e-4) return value.toExponential(2);
  return size >= 1000 ? Math.round(value).toLocaleString("en") : String(Number(value.toPrecision(4)));
}

/** 0.0004234 → "$0.000423", 0.5 → "$0.50", 1234.5 → "$1,235". */
export function dollars(amount) {
  if (amount <= 0 || amount >= 999.995)
    return `$${amount < 1e15 ? Math.round(amount).toLocaleString("en") : amount.toExponential(2)}`;
  if (amount < 1e-9) return `$${amount.toExponential(1)}`;
  const digits = amount >= 1 ? 2 : 2 - Math.floor(Math.log10(amount));
  const [whole, decimals] = amount.toFixed(digits).split(".");
  return `$${whole}.${decimals.replace(/0+$/, "").padEnd(2, "0")}`;
}

/** "1 row", "2,000 rows". */
export function counted(count, noun, plural = `${noun}s`) {
  return `${number(count)} ${count === 1 ? noun : plural}`;
}

/** 0.8123 → "81%": 0% and 100% are said of none and all alone. */
export function percent(part, whole) {
  if (!whole) return "";
  const share = (100 * part) / whole;
  if (part > 0 && share < 0.5) return "<1%";
  if (part < whole && share > 99.5) return ">99%";
  return `${Math.round(share)}%`;
}

/** A moment, as short as its distance allows: "22:19:36", "25 Nov, 22:19", "25 Nov 2024". */
export function moment(ns, now = new Date()) {
  const when = new Date(Number(ns) / 1e6);
  if (Number.isNaN(when.getTime())) return String(ns);
  const time = [when.getHours(), when.getMinutes(), when.getSeconds()].map((each) =>
    String(each).padStart(2, "0"),
  );
  if (when.toDateString() === now.toDateString()) return time.join(":");
  const day = `${when.getDate()} ${when.toLocaleString("en", { month: "short" })}`;
  return when.getFullYear() === now.getFullYear()
    ? `${day}, ${time.slice(0, 2).join(":")}`
    : `${day} ${when.getFullYear()}`;
}

/** How long ago, in words: "just now", "4 min ago". */
export function ago(ns, now = Date.now()) {
  const seconds = Math.round(now / 1e3 - Number(ns) / 1e9);
  if (seconds < -5) return "in the future";
  if (seconds < 10) return "just now";
  for (const [unit, size] of [
    ["day", 86400],
    ["h", 3600],
    ["min", 60],
    ["s", 1],
  ]) {
    if (seconds >= size) {
      const count = Math.floor(seconds / size);
      return `${count} ${unit === "day" && count > 1 ? "days" : unit} ago`;
    }
  }
  return "just now";
}

/** The moment whole, with its offset, for a tooltip and `datetime`. */
export function iso(ns) {
  const when = new Date(Number(ns) / 1e6);
  return Number.isNaN(when.getTime()) ? "" : when.toISOString();
}

/** 10485760 → "10,485,760 characters". */
export function characters(count) {
  return counted(count, "character");
}

/** The beginning of an id that was made up, enough to be told from others and typed; one that says something, whole. */
export function shortId(id) {
  return /^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4,}/i.test(id) ? id.slice(0, 8) : id;
}
