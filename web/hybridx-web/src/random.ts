/** Random numbers that follow from seeds: the generator sfc32 of Chris Doty-Humphrey (PractRand). */
export class Random {
  #a: number;
  #b: number;
  #c: number;
  #count = 1;

  /** Other seeds give other numbers, also where only one of them differs. */
  constructor(...seeds: number[]) {
    const state = [0x9e3779b9, 0x243f6a88, 0xb7e15162];
    for (const seed of seeds) {
      // The low and the high half of a whole number up to 2^53.
      for (const word of [seed >>> 0, Math.floor(seed / 2 ** 32) >>> 0]) {
        for (let at = 0; at < 3; at += 1) {
          state[at] = mixed(state[at]! ^ mixed(word + at));
        }
      }
    }
    [this.#a, this.#b, this.#c] = state as [number, number, number];
    for (let round = 0; round < 12; round += 1) {
      this.#word();
    }
  }

  /** Return a number from 0 to below 1, with 53 random bits. */
  next(): number {
    return ((this.#word() >>> 5) * 2 ** 26 + (this.#word() >>> 6)) / 2 ** 53;
  }

  #word(): number {
    const sum = (this.#a + this.#b + this.#count) | 0;
    this.#count = (this.#count + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + sum;
    return sum >>> 0;
  }
}

/** Spread a number over 32 bits: the finalizer of MurmurHash3 (Austin Appleby). */
function mixed(word: number): number {
  let found = word | 0;
  found = Math.imul(found ^ (found >>> 16), 0x85ebca6b);
  found = Math.imul(found ^ (found >>> 13), 0xc2b2ae35);
  return found ^ (found >>> 16);
}
