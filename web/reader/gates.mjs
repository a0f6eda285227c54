/**
 * The gate table of docs/file-format.md. A gate is the identity on all basis states of its wires but
 * some; on those it is a block. A few gates have another number than 1 on the other basis states.
 */

/** Return a complex number. */
export function complex(re, im = 0) {
  return { re, im };
}

const i = complex(0, 1);
const minusI = complex(0, -1);
const half = Math.SQRT1_2;
const X = [[0, 1], [1, 0]];
const Y = [[0, minusI], [i, 0]];
const Z = [[1, 0], [0, -1]];
const H = [[half, half], [half, -half]];
const SX = [[complex(0.5, 0.5), complex(0.5, -0.5)], [complex(0.5, -0.5), complex(0.5, 0.5)]];

const onTheCircle = (angle) => complex(Math.cos(angle), Math.sin(angle));
const rx = (theta) => {
  const [c, s] = [Math.cos(theta / 2), Math.sin(theta / 2)];
  return [[c, complex(0, -s)], [complex(0, -s), c]];
};
const turn = (theta) => {
  const [c, s] = [Math.cos(theta / 2), Math.sin(theta / 2)];
  return [[c, -s], [s, c]];
};
const rz = (theta) => diagonal([onTheCircle(-theta / 2), onTheCircle(theta / 2)]);
const phase = (theta) => [[onTheCircle(theta)]];
const exchangedWithPhase = (theta) => [[0, onTheCircle(theta)], [onTheCircle(theta), 0]];
const isingXX = (theta) => antidiagonal(theta, [1, 1, 1, 1]);
const isingYY = (theta) => antidiagonal(theta, [-1, 1, 1, -1]);
const isingZZ = (theta) => diagonal([-1, 1, 1, -1].map((sign) => onTheCircle((sign * theta) / 2)));
const isingXY = (theta) => rx(-theta);
const fermionicSwap = (theta) => {
  const [cosine, sine] = [Math.cos(theta) / 2, Math.sin(theta) / 2];
  const kept = complex(0.5 + cosine, sine);
  const exchanged = complex(0.5 - cosine, -sine);
  return [[kept, exchanged, 0], [exchanged, kept, 0], [0, 0, onTheCircle(theta)]];
};

function diagonal(numbers) {
  return numbers.map((number, row) => numbers.map((_, column) => (row === column ? number : 0)));
}

/** cos(theta/2) on the diagonal, and -i sin(theta/2) times signs from corner to corner. */
function antidiagonal(theta, signs) {
  const [c, s] = [Math.cos(theta / 2), Math.sin(theta / 2)];
  return signs.map((sign, row) =>
    signs.map((_, column) => (row === column ? c : row + column === 3 ? complex(0, -s * sign) : 0)),
  );
}

function fixed(wires, states, block) {
  return { wires, states, block: () => block, others: () => 1, takesAngle: false };
}

function turned(wires, states, block, others = () => 1) {
  return { wires, states, block, others, takesAngle: true };
}

/** By the name of a gate: how many wires it has, the block, and the basis states that it acts on. */
export const GATES = new Map(
  Object.entries({
    Identity: fixed(1, [], []),
    PauliX: fixed(1, [0, 1], X),
    PauliY: fixed(1, [0, 1], Y),
    PauliZ: fixed(1, [0, 1], Z),
    Hadamard: fixed(1, [0, 1], H),
    S: fixed(1, [1], [[i]]),
    T: fixed(1, [1], [[complex(half, half)]]),
    SX: fixed(1, [0, 1], SX),
    CNOT: fixed(2, [2, 3], X),
    CY: fixed(2, [2, 3], Y),
    CZ: fixed(2, [3], [[-1]]),
    CH: fixed(2, [2, 3], H),
    SWAP: fixed(2, [1, 2], X),
    ISWAP: fixed(2, [1, 2], [[0, i], [i, 0]]),
    Toffoli: fixed(3, [6, 7], X),
    CCZ: fixed(3, [7], [[-1]]),
    CSWAP: fixed(3, [5, 6], X),
    RX: turned(1, [0, 1], rx),
    RY: turned(1, [0, 1], turn),
    RZ: turned(1, [0, 1], rz),
    PhaseShift: turned(1, [1], phase),
    U1: turned(1, [1], phase),
    GlobalPhase: turned(1, [], () => [], (theta) => onTheCircle(-theta)),
    CRX: turned(2, [2, 3], rx),
    CRY: turned(2, [2, 3], turn),
    CRZ: turned(2, [2, 3], rz),
    ControlledPhaseShift: turned(2, [3], phase),
    CPhaseShift00: turned(2, [0], phase),
    CPhaseShift01: turned(2, [1], phase),
    CPhaseShift10: turned(2, [2], phase),
    IsingXX: turned(2, [0, 1, 2, 3], isingXX),
    IsingYY: turned(2, [0, 1, 2, 3], isingYY),
    IsingZZ: turned(2, [0, 1, 2, 3], isingZZ),
    IsingXY: turned(2, [1, 2], isingXY),
    PSWAP: turned(2, [1, 2], exchangedWithPhase),
    FermionicSWAP: turned(2, [1, 2, 3], fermionicSwap),
    SingleExcitation: turned(2, [1, 2], turn),
    SingleExcitationPlus: turned(2, [1, 2], turn, (theta) => onTheCircle(theta / 2)),
    SingleExcitationMinus: turned(2, [1, 2], turn, (theta) => onTheCircle(-theta / 2)),
    DoubleExcitation: turned(4, [3, 12], turn),
    DoubleExcitationPlus: turned(4, [3, 12], turn, (theta) => onTheCircle(theta / 2)),
    DoubleExcitationMinus: turned(4, [3, 12], turn, (theta) => onTheCircle(-theta / 2)),
  }),
);

/** Return a matrix of zeros: its real and its imaginary parts, row by row. */
export function zeros(size, columns = size) {
  return { size, columns, re: new Float64Array(size * columns), im: new Float64Array(size * columns) };
}

/** Return the matrix of a gate on its wires at an angle, made adjoint as the operation says. */
export function matrixOfGate(operation, theta) {
  const gate = GATES.get(operation.gate);
  const matrix = zeros(2 ** gate.wires);
  const put = (row, column, value) => {
    const [re, im] = typeof value === "number" ? [value, 0] : [value.re, value.im];
    const at = operation.adjoint ? column * matrix.size + row : row * matrix.size + column;
    matrix.re[at] = re;
    matrix.im[at] = operation.adjoint ? -im : im;
  };
  for (let state = 0; state < matrix.size; state += 1) {
    put(state, state, gate.others(theta));
  }
  gate.block(theta).forEach((row, from) =>
    row.forEach((value, to) => put(gate.states[from], gate.states[to], value)),
  );
  return matrix;
}

export const PAULIS = { X: matrixOf(X), Y: matrixOf(Y), Z: matrixOf(Z) };

function matrixOf(rows) {
  const matrix = zeros(rows.length);
  rows.flat().forEach((value, at) => {
    matrix.re[at] = typeof value === "number" ? value : value.re;
    matrix.im[at] = typeof value === "number" ? 0 : value.im;
  });
  return matrix;
}
