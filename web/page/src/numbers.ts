/** Numbers and long texts as people read them. */
import type { Range } from "./facts";
import { isWhole } from "./sample";

/** Return a number in so many significant digits, with a true minus sign. */
export function shown(value: number, digits: number): string {
  if (Number.isNaN(value)) {
    return "NaN";
  }
  if (!Number.isFinite(value)) {
    return value < 0 ? "−∞" : "∞";
  }
  const size = Math.abs(value);
  if (size === 0) {
    return "0";
  }
  const plain = size >= 1e-4 && size < 1e7 ? fixed(size, digits) : exponential(size, digits);
  return value < 0 ? `−${plain}` : plain;
}

/** Return a number of a dtype: whole ones in all their digits. */
export function shownAs(value: number, dtype: string, digits: number): string {
  return isWhole(dtype) ? String(value).replace("-", "−") : shown(value, digits);
}

/** Return an angle or a coordinate with so many digits behind the point, so that it keeps its width. */
export function level(value: number, decimals: number): string {
  const text = Math.abs(value).toFixed(decimals);
  return value < 0 && Number(text) !== 0 ? `−${text}` : text;
}

function fixed(size: number, digits: number): string {
  const whole = Math.max(1, Math.floor(Math.log10(size)) + 1);
  return size.toFixed(Math.max(0, digits - (size < 1 ? Math.floor(Math.log10(size)) + 1 : whole)));
}

function exponential(size: number, digits: number): string {
  const [number = "", power = ""] = size.toExponential(digits - 1).split("e");
  return `${number}e${power.replace("+", "").replace("-", "−")}`;
}

/** Return round numbers that divide a range into about so many parts. */
export function ticks(least: number, most: number, parts: number): number[] {
  const rough = (most - least) / parts;
  if (!(rough > 0) || !Number.isFinite(rough)) {
    return [least];
  }
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((one) => one * power).find((one) => one >= rough) ?? rough;
  const first = Math.ceil(least / step - 1e-9);
  const last = Math.floor(most / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, at) => Number(((first + at) * step).toPrecision(12)));
}

/** Return the step of a slider: a round part of its range, at most a two-hundredth. */
export function stepOf({ least, most }: Pick<Range, "least" | "most">): number {
  return 10 ** Math.floor(Math.log10((most - least) / 200 || 1e-3));
}

/** Return a count of bytes for people. */
export function size(bytes: number): string {
  return bytes >= 1e6 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e3).toFixed(1)} kB`;
}

export function counted(number: number, what: string): string {
  return `${number.toLocaleString("en")} ${what}${number === 1 ? "" : "s"}`;
}

/** Return a text for one line: a long one without its end. */
export function cut(text: string, most = 100): string {
  return text.length > most ? `${text.slice(0, most)}…` : text;
}

/** Return names for a sentence: the first ones, each without its end if it is long. */
export function listed(names: readonly string[], most = 12): string {
  return [...names.slice(0, most).map((one) => cut(one, 40)), ...(names.length > most ? ["…"] : [])].join(", ");
}
