/** What `hybridx page` says of the file in this page: `hybridx/web_page/facts.py` writes it. */

export interface Range {
  /** Ends of the slider; a number field takes others too. */
  least: number;
  most: number;
  start: number;
}

export type InputKind = "table" | "image" | "tokens" | "array";

export interface InputFacts {
  name: string;
  dtype: string;
  shape: (number | string)[];
  kind: InputKind;
  /** Of a table: a name and a range for each number of a row. */
  columns: string[];
  ranges: Range[];
}

export interface OutputFacts {
  name: string;
  dtype: string;
  shape: (number | string)[] | null;
  /** What the numbers of a row are, as the file says. */
  meaning: "logits" | "probabilities" | "numbers";
  classes: string[];
}

export interface CircuitFacts {
  name: string;
  layers: string[];
  notes: string[];
  strategy: string;
  sha256: string;
}

export interface Facts {
  title: string;
  description: string;
  file: { name: string; size: number; sha256: string; opset: number; version: string };
  digest: { sha256: string; intact: boolean | null; difference: string };
  verification: { tolerance: number; batches: number[]; worst: number } | null;
  assumed: string[];
  weights: string;
  metadata: Record<string, string>;
  inputs: InputFacts[];
  outputs: OutputFacts[];
  circuits: CircuitFacts[];
  /** Where the ranges of the sliders come from. */
  ranges_from: "data" | "self-test" | "nothing";
  made_by: string;
  runtime: string;
}
