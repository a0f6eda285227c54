/** JSON that a stranger wrote: what it is is checked before it is used. */
import { RefusedError, expect } from "./errors.mjs";

/** Return the value of a JSON text; `where` is for the message. */
export function parseJson(json, where) {
  try {
    return JSON.parse(json);
  } catch (error) {
    throw new RefusedError(`${where} cannot be read: ${error.message}`);
  }
}

/** Return whether a value is an object of JSON. */
export function isObject(value) {
  return value !== null && typeof value === "object" && !Array.isArray(value);
}

/** Return whether a value is a list of values that a function takes. */
export function isListOf(value, isOne) {
  return Array.isArray(value) && value.every(isOne);
}

/** Return whether a value is a text. */
export function isText(value) {
  return typeof value === "string";
}

/** Return whether a value is a whole number from 0. */
export function isWhole(value) {
  return Number.isInteger(value) && value >= 0;
}

/** Return an object of texts as a Map, or refuse what is none. */
export function textsOf(value, where) {
  expect(isObject(value) && Object.values(value).every(isText), `${where} is no object of texts`);
  return new Map(Object.entries(value));
}

/**
 * Return an object with all its fields; refuse others, and what is missing and has no default.
 *
 * @returns {Record<string, any>}
 */
export function filled(given, fields, where) {
  expect(isObject(given), `${where} is no object`);
  for (const name of Object.keys(given)) {
    expect(Object.hasOwn(fields, name), `${where} has an unknown field ${name}`);
  }
  const found = {};
  for (const [name, absent] of Object.entries(fields)) {
    found[name] = Object.hasOwn(given, name) ? given[name] : absent;
    expect(found[name] !== undefined, `${where} has no ${name}`);
  }
  return found;
}
