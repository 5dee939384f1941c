// Equations of the model, from parameters to scores: bayescale/model/curve.py and bayescale/forecast/ in JavaScript.
// A test holds both languages to the same numbers (1e-6): never change one alone.
//
// `posterior` is what Python packed (bayescale/report/pack.py): labels, sizes, and arrays in row-major order, draws
// first. A `query` is {family (index; -1: a new family), values (one per base covariate: log10 of a size, decimal years,
// a number, or 0 and 1, not centred), given: [[benchmark, score], ...], only: the one benchmark that is asked, undisclosed:
// whether the compute is drawn around its prediction, whatever `values` say of it (both optional)}.

const TINY = 1e-300; // keeps logarithms and divisions finite where a curve is flat, as in Python

const logSigmoid = (x) => 0.5 * (x - Math.abs(x)) - Math.log1p(Math.exp(-Math.abs(x)));

// Location and scale of Richards' curve that put its half-way point, with the slope of the sigmoid, at logit zero.
function halfWay(shape) {
  const rest = -Math.expm1(-Math.LN2 * shape);
  return [-Math.LN2 * shape - Math.log(rest), (0.5 * shape) / rest];
}

function expectedScore(logit, floor, ceiling, shape) {
  const [middle, stretch] = halfWay(shape);
  return floor + (ceiling - floor) * Math.exp(logSigmoid(middle + stretch * logit) / shape);
}

function scoreSlope(mean, floor, ceiling, shape) {
  const logRoot = shape * Math.log((mean - floor) / (ceiling - floor) + TINY);
  return (halfWay(shape)[1] / shape) * (mean - floor) * -Math.expm1(logRoot);
}

// Centred and scaled covariates; an interaction is the product of its parts.
function covariates(posterior, values) {
  const centred = values.map((value, i) => (value - posterior.measured[i].centre) / posterior.measured[i].spread);
  const steps = posterior.driftSteps.map(([date, step]) => {
    const along = step > 0 ? centred[date] - step + 1 : step + 1 - centred[date];
    return Math.min(Math.max(along, 0), 1);
  });
  return [...posterior.covariates.map((parts) => parts.reduce((product, i) => product * centred[i], 1)), ...steps];
}

// Log10 compute of a model that discloses none, one per draw: bayescale/model/compute.py.
function drawnCompute(posterior, { family, values }) {
  const { columns, makers, maker, place } = posterior.compute, M = makers.length, a = posterior.arrays;
  const z = columns.map((c) => (c.place === null ? 0 : (values[c.place] - c.centre) / c.spread));
  const unknown = columns.filter((c) => c.partly).map((c) => Number(c.place === null));
  const regressors = [1, ...z, ...unknown], P = regressors.length, whole = columns.every((c) => c.place !== null);
  const whose = family < 0 ? -1 : maker[family], { centre, spread } = posterior.measured[place];
  return Float64Array.from({ length: posterior.sizes.draws }, (_, s) => {
    let mean = whose < 0 ? a.new_maker[s] * a.maker_compute_sd[s] : a.maker_compute[s * M + whose];
    for (let p = 0; p < P; p++) mean += a.compute_slope[s * P + p] * regressors[p];
    return centre + spread * (mean + (whole ? a.compute_sd : a.vague_compute_sd)[s] * a.new_compute[s]);
  });
}

// The covariates of a query on draw `s`, which differ from draw to draw where compute is drawn.
function covariatesOf(posterior, query) {
  const { values } = query, same = covariates(posterior, values);
  if (!query.undisclosed) return () => same;
  const { place } = posterior.compute, compute = drawnCompute(posterior, query);
  return (s) => covariates(posterior, values.map((value, i) => (i === place ? compute[s] : value)));
}

// Write the expected scores of one new model on draw `s` into `row` of `into` (draw, benchmark).
function scoresOf(posterior, s, x, model, into, row, only) {
  const { benchmarks: B, factors: K } = posterior.sizes, C = x.length, a = posterior.arrays;
  for (let b = only ?? 0; b < (only ?? B - 1) + 1; b++) {
    let logit = -a.difficulty[s * B + b] + model.familyBenchmark[b];
    for (let k = 0; k < K; k++) logit += a.loading[(s * B + b) * K + k] * model.capability[k];
    for (let c = 0; c < C; c++) logit += a.benchmark_slope[(s * B + b) * C + c] * x[c];
    const group = posterior.testletIndex[b];
    if (group >= 0) logit += model.testlet[group];
    into[row * B + b] = expectedScore(logit, a.floor[s * B + b], a.ceiling[s * B + b], a.curve_shape[s * B + b]);
  }
}

// Capabilities of a typical model: the effect of the covariates, plus the offset of a fitted family.
function location(posterior, s, x, family, offset = posterior.arrays.family_offset) {
  const { factors: K, families: F } = posterior.sizes, a = posterior.arrays;
  return Float64Array.from({ length: K }, (_, k) => {
    let sum = family >= 0 ? offset[(s * F + family) * K + k] : 0;
    for (let c = 0; c < x.length; c++) sum += x[c] * a.slope[(s * x.length + c) * K + k];
    return sum;
  });
}

// Scores given family and covariates alone. The residual of the model, and offset and effects of a new family, are drawn.
function newModelScores(posterior, query) {
  const { draws: S, benchmarks: B, factors: K, families: F, testlets: G } = posterior.sizes, a = posterior.arrays;
  const at = covariatesOf(posterior, query), family = query.family, scores = new Float64Array(S * B);
  for (let s = 0; s < S; s++) {
    const x = at(s), capability = location(posterior, s, x, family);
    for (let k = 0; k < K; k++) {
      capability[k] += a.residual[s * K + k];
      if (family < 0) capability[k] += a.new_offset[s * K + k] * a.family_sd[s];
    }
    const familyBenchmark = new Float64Array(B), testlet = new Float64Array(G);
    for (let b = 0; b < B; b++) {
      const drawn = a.new_family_benchmark[s * B + b] * a.family_benchmark_sd[s];
      familyBenchmark[b] = family < 0 ? drawn : a.family_benchmark[(s * F + family) * B + b];
    }
    for (let g = 0; g < G; g++) testlet[g] = a.new_testlet[s * G + g] * a.testlet_sd[s];
    scoresOf(posterior, s, x, { capability, familyBenchmark, testlet }, scores, s, query.only);
  }
  return { scores, effective: S };
}

// Median and interval ends per benchmark, the draws of scores (draw, benchmark), and the effective number of draws.
function forecast(posterior, query) {
  const { draws: S, benchmarks: B } = posterior.sizes;
  const answer = query.given.length ? conditionedScores(posterior, query) : newModelScores(posterior, query);
  const rows = [];
  for (let b = query.only ?? 0; b < (query.only ?? B - 1) + 1; b++) {
    const column = Float64Array.from({ length: S }, (_, s) => answer.scores[s * B + b]);
    const [lower, median, upper] = quantiles(column, posterior.quantiles);
    rows[b] = { lower, median, upper };
  }
  return { rows, ...answer };
}

// Share of draws in which a benchmark's score exceeds `above`, as `Forecast.probability`.
function probabilityAbove(posterior, answer, b, above) {
  const { draws: S, benchmarks: B } = posterior.sizes;
  let hits = 0;
  for (let s = 0; s < S; s++) if (answer.scores[s * B + b] > above) hits++;
  return hits / S;
}

// Where a rising curve through (grid, column) reaches `target`: -Infinity before the grid, Infinity beyond it.
function crossing(grid, column, target) {
  const i = column.findIndex((score) => score >= target);
  if (i < 1) return i < 0 ? Infinity : -Infinity;
  return grid[i - 1] + ((grid[i] - grid[i - 1]) * (target - column[i - 1])) / (column[i] - column[i - 1]);
}
