/** Inputs that are pictures: a picture file drawn into their shape. */
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { InputFacts } from "../facts";
import { hasBatch, isWhole, type Part, withPart } from "../sample";
import type { State } from "../state";
import { rangeOf } from "../table";

interface Props {
  state: State;
  input: InputFacts;
}

interface Form {
  channels: number;
  height: number;
  width: number;
  isLast: boolean; // the channels are the last axis
}

function formOf(input: InputFacts): Form {
  const [first = 1, second = 1, third = 1] = (hasBatch(input) ? input.shape.slice(1) : input.shape).map(Number);
  const isLast = ![1, 3].includes(first);
  return isLast
    ? { channels: third, height: first, width: second, isLast }
    : { channels: first, height: second, width: third, isLast };
}

export function ImageInput({ state, input }: Props) {
  const form = formOf(input);
  const canvas = useRef<HTMLCanvasElement>(null);
  const low = useSignal(0);
  const high = useSignal(isWhole(input.dtype) ? Math.min(255, rangeOf(input.dtype)[1]) : 1);
  const said = useSignal("");
  const isRead = useSignal(true);
  const pixels = useSignal<Uint8ClampedArray | null>(null);
  const part = state.sample.value.get(input.name);
  useEffect(() => {
    if (canvas.current !== null && part !== undefined) {
      draw(canvas.current, part, form);
    }
  }, [part]);
  const take = (): void => {
    if (pixels.value !== null) {
      state.set(withPart(state.sample.value, input.name, partOf(pixels.value, form, low.value, high.value, input.dtype)));
    }
  };
  const open = async (file: File | undefined): Promise<void> => {
    if (file === undefined) {
      return;
    }
    try {
      pixels.value = await pixelsOf(file, form);
      isRead.value = true;
      said.value = `${file.name} is drawn into ${form.width} × ${form.height} pixels.`;
      take();
    } catch {
      isRead.value = false;
      said.value = `${file.name} is no picture that this browser reads.`;
    }
  };
  return (
    <div class="image">
      <canvas ref={canvas} width={form.width} height={form.height} role="img" aria-label={`${input.name} as a picture of ${form.width} × ${form.height} pixels`} />
      <div class="editor">
        <label class="button">
          Open a picture
          <input type="file" accept="image/*" onChange={(event) => { void open(event.currentTarget.files?.[0]); event.currentTarget.value = ""; }} />
        </label>
        <p class={isRead.value ? "quiet" : "wrong"} role="status">
          {said.value}
        </p>
        <p class="quiet">
          {form.channels === 1 ? "One channel: colours become grey." : "Three channels: red, green and blue."} Black and white become these numbers:
        </p>
        <div class="pair">
          {([["black", low], ["white", high]] as const).map(([name, end]) => (
            <label key={name}>
              {name}
              <input
                type="number"
                step="any"
                value={end.value}
                onChange={(event) => {
                  end.value = event.currentTarget.valueAsNumber || 0;
                  take();
                }}
              />
            </label>
          ))}
        </div>
      </div>
    </div>
  );
}

/** Return the pixels of a picture file, drawn into the middle of the form as large as it fits. */
async function pixelsOf(file: File, { width, height }: Form): Promise<Uint8ClampedArray> {
  const picture = await createImageBitmap(file);
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [width, height];
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  if (pen === null) {
    throw new Error("this browser draws nothing");
  }
  pen.imageSmoothingQuality = "high";
  const scale = Math.max(width / picture.width, height / picture.height);
  const [across, down] = [picture.width * scale, picture.height * scale];
  pen.fillRect(0, 0, width, height);
  pen.drawImage(picture, (width - across) / 2, (height - down) / 2, across, down);
  return pen.getImageData(0, 0, width, height).data;
}

function partOf(pixels: Uint8ClampedArray, { channels, height, width, isLast }: Form, low: number, high: number, dtype: string): Part {
  const data = new Array<number>(channels * height * width);
  for (let pixel = 0; pixel < height * width; pixel += 1) {
    const [red = 0, green = 0, blue = 0] = pixels.subarray(4 * pixel, 4 * pixel + 3);
    const parts = channels === 1 ? [0.299 * red + 0.587 * green + 0.114 * blue] : [red, green, blue];
    parts.forEach((one, channel) => {
      const value = low + (one / 255) * (high - low);
      data[isLast ? pixel * channels + channel : channel * height * width + pixel] = isWhole(dtype) ? Math.round(value) : value;
    });
  }
  return { data, dims: isLast ? [height, width, channels] : [channels, height, width] };
}

/** Draw numbers as a picture: the least black, the largest white. */
function draw(canvas: HTMLCanvasElement, { data }: Part, { channels, height, width, isLast }: Form): void {
  const pen = canvas.getContext("2d");
  if (pen === null) {
    return;
  }
  const [least, most] = data.reduce(([low, high], one) => [Math.min(low, one), Math.max(high, one)], [Infinity, -Infinity]);
  const picture = pen.createImageData(width, height);
  for (let pixel = 0; pixel < height * width; pixel += 1) {
    for (let part = 0; part < 3; part += 1) {
      const channel = channels === 1 ? 0 : part;
      const value = data[isLast ? pixel * channels + channel : channel * height * width + pixel] ?? 0;
      picture.data[4 * pixel + part] = (255 * (value - least)) / (most - least || 1);
    }
    picture.data[4 * pixel + 3] = 255;
  }
  pen.putImageData(picture, 0, 0);
}
