/** The quantum layers of a file: where its graph calls a circuit, and whether the call can be cut out. */
import { expect } from "../../reader/errors.mjs";
import { parseJson } from "../../reader/json.mjs";
import { all, text } from "../../reader/protobuf.mjs";
import type { Circuit } from "./circuit.js";
import { Graph, graphsIn, type Message } from "./graph.js";

/** A quantum layer: one call of a circuit. */
export interface CircuitCall {
  /** Of the circuit: `Circuit_` and the begin of its digest. Calls of equal circuits share it. */
  name: string;
  /** Where it stands in the model, such as `/net/1/circuit`. */
  layer: string;
  circuit: Circuit;
  wires: number;
  /** The strategy that compiled its body; empty if it has none. */
  strategy: string;
  /** Why its parameters and samples cannot be had; null if they can. */
  notShown: string | null;
}

/** A call, and the values that enter and leave it. */
export interface Call extends CircuitCall {
  parameters: string;
  results: string;
  hasBody: boolean;
}

/** Return the quantum layers of a file in the order of its graph. */
export function callsOf(model: Message, entries: Map<string, string>, circuits: Map<string, Circuit>): Call[] {
  return entries.has("hybridx.inlined") ? inlined(model, entries, circuits) : asNodes(model, circuits);
}

function asNodes(model: Message, circuits: Map<string, Circuit>): Call[] {
  const strategies = new Map<string, string>();
  for (const one of all(model, "functions")) {
    // A function may be called anywhere and often, so that its circuits have no place of their own.
    const [inside] = nodesOf(one, "");
    expect(inside === undefined, `its function ${text(one, "name")} contains a quantum layer`);
    if (text(one, "domain") === "hybridx") {
      const said = all(one, "metadata_props").find((each: Message) => text(each, "key") === "hybridx.strategy");
      strategies.set(text(one, "name"), said === undefined ? "" : text(said, "value"));
    }
  }
  return [...nodesOf(model.fields.get("graph") as Message, "")].map(({ node, inside }) => {
    const name = text(node, "op_type");
    const [parameters, results] = ["input", "output"].map((field) => new TextDecoder().decode(all(node, field)[0] ?? new Uint8Array()));
    const circuit = circuits.get(name)!;
    return {
      name,
      layer: text(node, "name") || name,
      circuit,
      wires: circuit.wires,
      strategy: strategies.get(name) ?? "",
      notShown: inside === "" ? null : `it stands inside a node of ${inside}, which runs it as often as it will`,
      parameters: parameters!,
      results: results!,
      hasBody: strategies.has(name),
    };
  });
}

function* nodesOf(graph: Message, inside: string): Generator<{ node: Message; inside: string }> {
  for (const node of all(graph, "node")) {
    if (text(node, "domain") === "hybridx" && all(node, "attribute").some((one: Message) => text(one, "name") === "circuit")) {
      yield { node, inside };
    }
    for (const one of graphsIn(node)) {
      yield* nodesOf(one, inside || text(node, "op_type"));
    }
  }
}

interface InlinedCall {
  node: string;
  circuit: string;
  strategy: string;
  parameters: string;
  results: string;
}

function inlined(model: Message, entries: Map<string, string>, circuits: Map<string, Circuit>): Call[] {
  // The reader has checked the form of this entry.
  const said = parseJson(entries.get("hybridx.inlined"), "hybridx.inlined") as { calls: InlinedCall[] };
  const graph = new Graph(model);
  const bodies = said.calls.map((one) => bodyOf(one, graph));
  return said.calls.map((one, at) => {
    const circuit = circuits.get(one.circuit)!;
    return {
      name: one.circuit,
      layer: one.node || one.circuit,
      circuit,
      wires: circuit.wires,
      strategy: one.strategy,
      notShown: lostBecause(at, said.calls, bodies, graph),
      parameters: one.parameters,
      results: one.results,
      hasBody: true,
    };
  });
}

/** The nodes between the parameters and the results of a call that depend on the parameters. */
interface Body {
  nodes: Set<number>;
  lost: string | null;
}

function bodyOf({ parameters, results }: InlinedCall, graph: Graph): Body {
  const { nodes, from } = graph.before([results], new Set([parameters]));
  const isKnown = graph.has(parameters) && graph.has(results);
  const others = [...from].filter((name) => name !== parameters && graph.inputs.has(name));
  const lost = !isKnown ? "the file has not the values between which it stood" : others.length > 0 ? `it depends on ${others[0]} too` : null;
  const moving = new Set([parameters]);
  const depending = new Set<number>();
  for (const { at, reads, gives } of graph.nodes()) {
    if (nodes.has(at) && reads.some((name) => moving.has(name))) {
      depending.add(at);
      gives.forEach((name) => moving.add(name));
    }
  }
  return { nodes: depending, lost };
}

/** Return why a layer of an inlined file cannot be found again; null if it can. */
function lostBecause(at: number, calls: InlinedCall[], bodies: Body[], graph: Graph): string | null {
  const { nodes, lost } = bodies[at]!;
  if (lost !== null) {
    return lost;
  }
  if (nodes.size === 0) {
    return "its results do not depend on its parameters";
  }
  const { parameters } = calls[at]!;
  // Layers on the same parameters may share nodes, and one may read what another gives.
  const own = new Set(calls.flatMap((one, other) => (one.parameters === parameters ? [...bodies[other]!.nodes] : [])));
  const open = new Set(calls.filter((one) => one.parameters === parameters).map((one) => one.results));
  const inner = new Set<string>();
  for (const { at: place, gives } of graph.nodes()) {
    if (nodes.has(place)) {
      gives.filter((name) => !open.has(name)).forEach((name) => inner.add(name));
    }
  }
  for (const { at: place, reads } of graph.nodes()) {
    if (!own.has(place) && reads.some((name) => inner.has(name))) {
      return "a value inside it is read outside of it";
    }
  }
  if (graph.outputs.some((name) => inner.has(name))) {
    return "a value inside it is an output";
  }
  return null;
}
