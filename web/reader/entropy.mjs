/** The eigenvalues of Hermitian matrices, and the entropy of a density matrix. */

const MOST_ROUNDS = 60;
const NOTHING = 1e-30;

/** Return -Tr(rho log rho) in nats; eigenvalues that rounding makes negative count as zero. */
export function entropyOf(rho) {
  const logarithms = eigenvalues(rho).filter((value) => value > 0).map((value) => value * Math.log(value));
  return -logarithms.reduce((total, one) => total + one, 0);
}

/** Return the eigenvalues of a Hermitian matrix. */
function eigenvalues(matrix) {
  const twice = [...eigensystem(matrix).values].sort((one, other) => one - other);
  return Array.from({ length: matrix.size }, (_, at) => (twice[2 * at] + twice[2 * at + 1]) / 2);
}

/**
 * Return the eigenvalues and eigenvectors of the symmetric matrix [[A, -B], [B, A]] for a Hermitian matrix
 * A + iB, which has each eigenvalue of that twice. An eigenvector (u, v) stands for u + iv. Jacobi's rotations
 * make the matrix diagonal.
 *
 * @returns {{ values: number[], vectors: number[][] }} as many vectors as values.
 */
export function eigensystem({ size, re, im }) {
  const double = 2 * size;
  const matrix = Array.from({ length: double }, (_, row) =>
    Array.from({ length: double }, (_, column) => {
      const at = (row % size) * size + (column % size);
      const isLeft = column < size;
      return row < size === isLeft ? re[at] : (isLeft ? 1 : -1) * im[at];
    }),
  );
  const vectors = matrix.map((_, row) => matrix.map((_, column) => Number(row === column)));
  for (let round = 0; round < MOST_ROUNDS && outside(matrix) > NOTHING; round += 1) {
    for (let first = 0; first < double; first += 1) {
      for (let second = first + 1; second < double; second += 1) {
        rotate(matrix, vectors, first, second);
      }
    }
  }
  return { values: matrix.map((row, at) => row[at]), vectors };
}

function outside(matrix) {
  return matrix.reduce(
    (total, row, at) => total + row.reduce((sum, value, column) => sum + (column === at ? 0 : value * value), 0),
    0,
  );
}

/** Rotate two axes of a symmetric matrix so that the entry between them becomes zero, and the vectors of its axes. */
function rotate(matrix, vectors, first, second) {
  const between = matrix[first][second];
  if (between === 0) {
    return;
  }
  const ratio = (matrix[second][second] - matrix[first][first]) / (2 * between);
  const tangent = (ratio < 0 ? -1 : 1) / (Math.abs(ratio) + Math.hypot(1, ratio));
  const cosine = 1 / Math.hypot(1, tangent);
  const sine = tangent * cosine;
  for (const row of matrix) {
    [row[first], row[second]] = [cosine * row[first] - sine * row[second], sine * row[first] + cosine * row[second]];
  }
  for (let column = 0; column < matrix.length; column += 1) {
    const [a, b] = [matrix[first][column], matrix[second][column]];
    [matrix[first][column], matrix[second][column]] = [cosine * a - sine * b, sine * a + cosine * b];
    const [u, v] = [vectors[first][column], vectors[second][column]];
    [vectors[first][column], vectors[second][column]] = [cosine * u - sine * v, sine * u + cosine * v];
  }
}
