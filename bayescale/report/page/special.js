// Numerics that browsers lack: special functions, a Cholesky factor, and quantiles as in NumPy.

// From here on Stirling's series is exact to the last digits; smaller arguments use recurrences.
const STIRLING = 12;

function logGamma(x) {
  let shift = 0;
  for (; x < STIRLING; x += 1) shift += Math.log(x);
  const inverse = 1 / x, square = inverse * inverse;
  const series =
    inverse * (1 / 12 - square * (1 / 360 - square * (1 / 1260 - square * (1 / 1680 - square / 1188))));
  return (x - 0.5) * Math.log(x) - x + 0.5 * Math.log(2 * Math.PI) + series - shift;
}

function digamma(x) {
  let shift = 0;
  for (; x < STIRLING; x += 1) shift += 1 / x;
  const square = 1 / (x * x);
  const series =
    square * (1 / 12 - square * (1 / 120 - square * (1 / 252 - square * (1 / 240 - square / 132))));
  return Math.log(x) - 0.5 / x - series - shift;
}

const logBeta = (a, b) => logGamma(a) + logGamma(b) - logGamma(a + b);

function logSumExp(values) {
  let largest = -Infinity;
  for (const v of values) if (v > largest) largest = v;
  let sum = 0;
  for (const v of values) sum += Math.exp(v - largest);
  return largest + Math.log(sum);
}

// Round half to even, as NumPy does: the number of hits must be the same in both languages.
function roundHalfEven(x) {
  const down = Math.floor(x), rest = x - down;
  return rest > 0.5 || (rest === 0.5 && down % 2 === 1) ? down + 1 : down;
}

// Lower triangular L with L L' = matrix, in row-major order.
function cholesky(matrix, n) {
  const lower = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = matrix[i * n + j];
      for (let k = 0; k < j; k++) sum -= lower[i * n + k] * lower[j * n + k];
      lower[i * n + j] = i === j ? Math.sqrt(sum) : sum / lower[j * n + j];
    }
  }
  return lower;
}

function solveLower(lower, right, n) {
  const x = new Float64Array(n);
  for (let i = 0; i < n; i++) {
    let sum = right[i];
    for (let k = 0; k < i; k++) sum -= lower[i * n + k] * x[k];
    x[i] = sum / lower[i * n + i];
  }
  return x;
}

function solveUpper(lower, right, n) {
  const x = new Float64Array(n);
  for (let i = n - 1; i >= 0; i--) {
    let sum = right[i];
    for (let k = i + 1; k < n; k++) sum -= lower[k * n + i] * x[k];
    x[i] = sum / lower[i * n + i];
  }
  return x;
}

// NumPy's default: linear interpolation between the two nearest draws.
function quantiles(values, at) {
  const sorted = Float64Array.from(values).sort();
  return at.map((q) => {
    const place = q * (sorted.length - 1), below = Math.floor(place);
    const above = Math.min(below + 1, sorted.length - 1);
    return sorted[below] + (sorted[above] - sorted[below]) * (place - below);
  });
}
