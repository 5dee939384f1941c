// Forecast of a new model given some of its scores (bayescale/forecast/condition.py): on each draw,
// find the mode of its unknowns, propose around it and weigh the proposals; then resample. Python drew the random numbers.

const STEPS = 12; // of Fisher scoring
const FARTHEST = 30; // logits beyond this are at floor or ceiling
const LEAST_SD = 1e-6;
const FREEDOM = 7; // degrees of freedom of the Student-t proposal

// Unknowns z on draw `s`: the logits of the known scores are base + effects z, with prior z ~ Normal(0, sd^2).
function unknowns(posterior, s, x, family, known) {
  const { benchmarks: B, factors: K, families: F, testlets: G } = posterior.sizes, C = x.length, a = posterior.arrays;
  const newFamily = family < 0, ownEffects = newFamily && known.ownEffects;
  const Z = K + known.testlets.length + (ownEffects ? known.benchmarks.length : 0);
  const here = location(posterior, s, x, family, a.family_mean);
  const sd = new Float64Array(Z).fill(a.testlet_sd[s]);
  // Only the sum of the residual and of what is unknown of the family's offset enters.
  const models = newFamily ? 0 : posterior.familySizes[family], variance = a.family_sd[s] ** 2;
  sd.fill(Math.sqrt(1 + variance / (1 + models * variance)), 0, K);
  if (ownEffects) sd.fill(a.family_benchmark_sd[s], K + known.testlets.length);
  // Columns of the packed normals: all factors, then all testlets, then all benchmarks.
  const columns = [...Array(K).keys(), ...known.testlets.map((g) => K + g)];
  if (ownEffects) columns.push(...known.benchmarks.map((b) => K + G + b));
  const rows = known.benchmarks.map((b, i) => {
    const at = s * B + b, effects = new Float64Array(Z);
    let base = -a.difficulty[at];
    for (let k = 0; k < K; k++) {
      effects[k] = a.loading[at * K + k];
      base += effects[k] * here[k];
    }
    for (let c = 0; c < C; c++) base += a.benchmark_slope[at * C + c] * x[c];
    if (!newFamily) base += a.family_benchmark[(s * F + family) * B + b];
    const place = known.testlets.indexOf(posterior.testletIndex[b]);
    if (place >= 0) effects[K + place] = 1;
    if (ownEffects) effects[K + known.testlets.length + i] = 1;
    const items = posterior.items[b], hits = roundHalfEven(known.scores[i] * items);
    const curve = { floor: a.floor[at], ceiling: a.ceiling[at], shape: a.curve_shape[at] };
    return { base, effects, ...curve, precision: a.precision[at], specificSd: a.specific_sd[at], items, hits };
  });
  return { sd: sd.map((v) => Math.max(v, LEAST_SD)), rows, columns, here };
}

function meanOf(row, z) {
  let logit = row.base;
  for (let j = 0; j < z.length; j++) logit += row.effects[j] * z[j];
  logit = Math.min(Math.max(logit, -FARTHEST), FARTHEST);
  return expectedScore(logit, row.floor, row.ceiling, row.shape);
}

// Precision of a score with this expected score: less where the noise of the logit moves it more.
function precisionOf(row, mean, slope) {
  const information = slope ** 2 / (mean * (1 - mean) + TINY);
  return row.precision / (1 + (row.precision + 1) * row.specificSd ** 2 * information);
}

// Gradient of the log likelihood of one score by its logit at constant precision, and its Fisher information.
function gradientOf(row, mean) {
  const slope = scoreSlope(mean, row.floor, row.ceiling, row.shape), precision = precisionOf(row, mean, slope);
  const alpha = mean * precision + TINY, beta = (1 - mean) * precision + TINY;
  const up = digamma(row.hits + alpha) - digamma(alpha);
  const down = digamma(row.items - row.hits + beta) - digamma(beta);
  const effective = (precision + 1) / (1 + precision / row.items);
  return [precision * (up - down) * slope, (effective * slope ** 2) / (mean * (1 - mean) + TINY)];
}

function mode(model) {
  const Z = model.sd.length, z = new Float64Array(Z);
  let lower = null;
  for (let step = 0; step < STEPS; step++) {
    const matrix = new Float64Array(Z * Z), gradient = new Float64Array(Z);
    for (let j = 0; j < Z; j++) {
      matrix[j * Z + j] = 1 / model.sd[j] ** 2;
      gradient[j] = -z[j] / model.sd[j] ** 2;
    }
    for (const row of model.rows) {
      const [slope, information] = gradientOf(row, meanOf(row, z)), e = row.effects;
      for (let j = 0; j < Z; j++) {
        if (e[j] === 0) continue;
        gradient[j] += e[j] * slope;
        for (let k = 0; k < Z; k++) matrix[j * Z + k] += e[j] * information * e[k];
      }
    }
    lower = cholesky(matrix, Z);
    const move = solveUpper(lower, solveLower(lower, gradient, Z), Z);
    // Near the floor the curve is flat and a full step overshoots: limit it to two prior sds.
    let longest = 1e-12;
    for (let j = 0; j < Z; j++) longest = Math.max(longest, Math.abs(move[j]) / model.sd[j]);
    for (let j = 0; j < Z; j++) z[j] += move[j] * Math.min(1, 2 / longest);
  }
  return { z, lower };
}

function logLikelihood(row, mean) {
  const precision = precisionOf(row, mean, scoreSlope(mean, row.floor, row.ceiling, row.shape));
  const alpha = mean * precision + TINY, beta = (1 - mean) * precision + TINY;
  return logBeta(row.hits + alpha, row.items - row.hits + beta) - logBeta(alpha, beta);
}

function conditionedScores(posterior, query) {
  const { draws: S, benchmarks: B, factors: K, testlets: G, proposals: P } = posterior.sizes, a = posterior.arrays;
  const covariatesAt = covariatesOf(posterior, query), family = query.family, width = K + G + B;
  const known = { benchmarks: query.given.map(([b]) => b), scores: query.given.map(([, score]) => score) };
  const groups = known.benchmarks.map((b) => posterior.testletIndex[b]).filter((g) => g >= 0);
  known.testlets = [...new Set(groups)].sort((one, other) => one - other);
  known.ownEffects = a.family_benchmark_sd.some((v) => v > 0);

  const proposed = [], logWeight = new Float64Array(S * P), places = [];
  for (let s = 0; s < S; s++) {
    const model = unknowns(posterior, s, covariatesAt(s), family, known), Z = model.sd.length;
    const { z: centre, lower } = mode(model);
    places.push(model.here);
    let logDeterminant = 0;
    for (let j = 0; j < Z; j++) logDeterminant += Math.log(lower[j * Z + j]);
    for (let p = 0; p < P; p++) {
      const at = s * P + p, scale = Math.sqrt(FREEDOM / a.chi_square[at]);
      const normal = model.columns.map((column) => a.normal[at * width + column]);
      const z = solveUpper(lower, normal, Z).map((v, j) => centre[j] + v * scale);
      let squared = 0, logPrior = 0;
      for (let j = 0; j < Z; j++) {
        squared += normal[j] ** 2 * scale ** 2;
        logPrior += -0.5 * (z[j] / model.sd[j]) ** 2 - Math.log(model.sd[j]);
      }
      // Up to a constant that all proposals share, which cancels in the normalised weights.
      const logProposal = logDeterminant - ((FREEDOM + Z) / 2) * Math.log1p(squared / FREEDOM);
      let logPosterior = logPrior;
      for (const row of model.rows) logPosterior += logLikelihood(row, meanOf(row, z));
      proposed.push(z);
      logWeight[at] = logPosterior - logProposal;
    }
  }
  const total = logSumExp(logWeight);
  let squares = 0;
  for (let s = 0; s < S; s++) {
    squares += Math.exp(logSumExp(logWeight.subarray(s * P, (s + 1) * P)) - total) ** 2;
  }

  const scores = new Float64Array(S * B);
  resample(logWeight.map((w) => Math.exp(w - total)), S, posterior.start).forEach((at, row) => {
    const s = Math.floor(at / P), z = proposed[at];
    scoresOf(posterior, s, covariatesAt(s), knownModel(posterior, s, row, z, places[s], family, known), scores, row);
  });
  return { scores, effective: 1 / squares };
}

// Systematic resampling: each proposal is chosen its expected number of times, rounded up or down.
function resample(weights, size, start) {
  const chosen = [];
  let place = 0, sum = weights[0];
  for (let i = 0; i < size; i++) {
    while (sum < (start + i) / size && place < weights.length - 1) sum += weights[++place];
    chosen.push(place);
  }
  return chosen;
}

// The model with its conditioned unknowns; effects that no known score informs are drawn with the numbers of the `row`.
function knownModel(posterior, s, row, z, here, family, known) {
  const { benchmarks: B, factors: K, families: F, testlets: G } = posterior.sizes, a = posterior.arrays;
  const capability = here.map((v, k) => v + z[k]);
  const familyBenchmark = new Float64Array(B), testlet = new Float64Array(G);
  for (let g = 0; g < G; g++) testlet[g] = a.new_testlet[row * G + g] * a.testlet_sd[s];
  known.testlets.forEach((g, i) => (testlet[g] = z[K + i]));
  for (let b = 0; b < B; b++) {
    const drawn = a.new_family_benchmark[row * B + b] * a.family_benchmark_sd[s];
    familyBenchmark[b] = family < 0 ? drawn : a.family_benchmark[(s * F + family) * B + b];
  }
  if (family < 0 && known.ownEffects) known.benchmarks.forEach((b, i) => (familyBenchmark[b] = z[K + known.testlets.length + i]));
  return { capability, familyBenchmark, testlet };
}
