/** A file that this reader refuses, with the reason for people. */
export class RefusedError extends Error {}

/** Throw a RefusedError unless a condition holds. */
export function expect(condition, reason) {
  if (!condition) {
    throw new RefusedError(reason);
  }
}
