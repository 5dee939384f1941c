// The equations of the model, read forwards: the page's own wording of bayescale/model/curve.py and bayescale/forecast/.
// A test holds the numbers of both languages together to 1e-6: change neither alone.
//
// `world` is what Python packed (bayescale/report/pack.py): labels, sizes, and arrays with the draws on the leading
// axis, rows end to end. A `question` is {family (index, -1: a new one), figures (one per covariate that was measured,
// in log10 units, as a user gives them), given: [[benchmark, score], ...]}.

const TINY = 1e-300; // keeps logarithms and divisions finite where a curve is flat, as in Python

const logSigmoid = (x) => 0.5 * (x - Math.abs(x)) - Math.log1p(Math.exp(-Math.abs(x)));

// Where Richards' curve is half-way up, and the stretch that gives it the sigmoid's slope there.
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

// Centred covariates; an interaction is the product of its parts.
function covariates(world, figures) {
  const centred = figures.map((value, i) => value - world.measured[i].centre);
  return world.covariates.map((parts) => parts.reduce((product, i) => product * centred[i], 1));
}

// Expected scores (draw, benchmark) of one new model on draw `s`, from all that the equations know of it.
function scoresOf(world, s, x, model, into, row) {
  const { benchmarks: B, factors: K } = world.sizes, C = x.length, a = world.arrays;
  for (let b = 0; b < B; b++) {
    let logit = -a.difficulty[s * B + b] + model.familyBenchmark[b];
    for (let k = 0; k < K; k++) logit += a.loading[(s * B + b) * K + k] * model.capability[k];
    for (let c = 0; c < C; c++) logit += a.benchmark_slope[(s * B + b) * C + c] * x[c];
    const group = world.testletIndex[b];
    if (group >= 0) logit += model.testlet[group];
    into[row * B + b] = expectedScore(logit, a.floor[s * B + b], world.ceiling[b], a.curve_shape[s * B + b]);
  }
}

// Capabilities of a typical model: the shared slopes, and the offset of a family that is known.
function location(world, s, x, family) {
  const { factors: K, families: F } = world.sizes, a = world.arrays;
  return Float64Array.from({ length: K }, (_, k) => {
    let sum = family >= 0 ? a.family_offset[(s * F + family) * K + k] : 0;
    for (let c = 0; c < x.length; c++) sum += x[c] * a.slope[(s * x.length + c) * K + k];
    return sum;
  });
}

// From family and covariates alone: a single model's own residual is drawn, and a new family's offset and effects.
function newModelScores(world, question) {
  const { draws: S, benchmarks: B, factors: K, families: F, testlets: G } = world.sizes, a = world.arrays;
  const x = covariates(world, question.figures), family = question.family, scores = new Float64Array(S * B);
  for (let s = 0; s < S; s++) {
    const capability = location(world, s, x, family);
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
    scoresOf(world, s, x, { capability, familyBenchmark, testlet }, scores, s);
  }
  return { scores, effective: S };
}

// Median and ends of the interval per benchmark, with how many draws weigh in.
function forecast(world, question) {
  const { draws: S, benchmarks: B } = world.sizes;
  const found = question.given.length ? conditionedScores(world, question) : newModelScores(world, question);
  const rows = [];
  for (let b = 0; b < B; b++) {
    const column = Float64Array.from({ length: S }, (_, s) => found.scores[s * B + b]);
    const [lower, median, upper] = quantiles(column, world.quantiles);
    rows.push({ lower, median, upper });
  }
  return { rows, effective: found.effective };
}
