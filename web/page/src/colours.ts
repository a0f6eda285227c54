/** Colours that people with any kind of colour vision tell apart. */

/** Of classes: the palette of Okabe and Ito, without its black and in an order that contrasts. */
const CLASSES = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442", "#7f7f7f"] as const;

/** Of numbers: eleven points of the map cividis, which grows evenly in lightness. */
const CIVIDIS = [
  [0, 32, 77], [0, 45, 108], [42, 63, 109], [72, 82, 109], [97, 101, 111], [121, 120, 119],
  [146, 139, 119], [172, 159, 113], [200, 181, 101], [229, 204, 82], [255, 234, 70],
] as const;

export type Rgb = readonly [number, number, number];

export function colourOf(index: number): string {
  return CLASSES[index % CLASSES.length] ?? CLASSES[0];
}

export function rgbOf(index: number): Rgb {
  const hex = colourOf(index);
  return [1, 3, 5].map((at) => Number.parseInt(hex.slice(at, at + 2), 16)) as unknown as Rgb;
}

/** Return the colour of a share from 0 to 1. */
export function scaled(share: number): Rgb {
  const at = Math.min(1, Math.max(0, share)) * (CIVIDIS.length - 1);
  const [low, high] = [CIVIDIS[Math.floor(at)] ?? CIVIDIS[0], CIVIDIS[Math.ceil(at)] ?? CIVIDIS[0]];
  return mixed(low, high, at - Math.floor(at));
}

/** Return a colour between two: the first at 0, the second at 1. */
export function mixed(first: Rgb, second: Rgb, share: number): Rgb {
  return first.map((part, at) => part + share * ((second[at] ?? part) - part)) as unknown as Rgb;
}
