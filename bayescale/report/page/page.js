// Interaction: read the query from the form, and write the answer to the page. All text from data enters as text
// (textContent, JSON), never as markup.

const LEAST = 50; // effective draws below which intervals are withheld, as in Python
const POINTS = 40; // of the band over compute
const PAUSE = 400; // milliseconds of quiet before a screen reader announces the new forecast

const read = (id) => JSON.parse(document.getElementById(id).textContent);
const find = (id) => document.getElementById(id);

function decode(text) {
  const binary = atob(text), bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  return new Float32Array(bytes.buffer);
}

function start() {
  const posterior = read("posterior"), packed = read("arrays");
  posterior.arrays = Object.fromEntries(Object.entries(packed).map(([name, text]) => [name, decode(text)]));
  const rows = [...find("scores").tBodies[0].rows];
  const inputs = rows.map((row) => row.querySelector("input"));
  const sliders = posterior.measured.map((m) => find(`slider-${m.name}`));
  const texts = posterior.measured.map((m) => find(`value-${m.name}`));
  const sources = {}; // of the pictures, by name, once they are drawn
  // Log10 of sizes in base units; not read from the sliders, whose steps would round what was typed.
  const values = sliders.map((slider) => (slider.type === "checkbox" ? Number(slider.checked) : Number(slider.value)));
  let bandOf = null, waiting = 0, timer = 0;

  const family = () => Number(find("family").value);
  const shown = () => (find("shown") ? Number(find("shown").value) : 0);
  const familyName = () => (family() < 0 ? "A new family" : posterior.families[family()]);
  const asText = (value) => (value >= 1e5 || value < 0.01 ? value.toExponential(2) : String(Number(value.toPrecision(3))));
  // A value as the reader types it, and back.
  function typed(i, value = values[i]) {
    const { kind, scale } = posterior.measured[i];
    if (kind === "size") return asText(10 ** value / scale);
    return kind === "date" ? value.toFixed(2) : String(Number(value.toPrecision(6)));
  }
  const fromText = (i, text) =>
    posterior.measured[i].kind === "size" ? Math.log10(Number(text) * posterior.measured[i].scale) : Number(text || NaN);
  function words(i) {
    const { kind, title, unit } = posterior.measured[i];
    if (kind === "flag") return values[i] ? title : `not ${title}`;
    return kind === "size" ? `${typed(i)} ${unit}` : `${title} ${typed(i)}`;
  }

  // Valid scores as [benchmark, score], and a message for each invalid one.
  function readScores() {
    const given = [], wrong = [];
    inputs.forEach((input, b) => {
      const value = input.value === "" ? NaN : Number(input.value);
      const bad = input.validity.badInput || value < 0 || value > 1;
      input.setAttribute("aria-invalid", String(bad));
      if (bad) {
        const hint = value > 1 && value <= 100 ? ` Did you mean ${value / 100}?` : "";
        wrong.push(`The known score of ${posterior.benchmarks[b]} must be between 0 and 1.${hint}`);
      } else if (!Number.isNaN(value)) given.push([b, value]);
    });
    return { given, wrong };
  }

  function readValues() {
    return posterior.measured.flatMap((m, i) => {
      const bad = texts[i]?.getAttribute("aria-invalid") === "true";
      const [low, high] = [m.lowest, m.highest].map((v) => typed(i, v));
      return bad ? [`${m.title} must be a number from ${low} to ${high}${m.kind === "size" ? `, in ${m.unit}` : ""}.`] : [];
    });
  }

  function update() {
    waiting = 0;
    const { given, wrong } = readScores(), trouble = [...wrong, ...readValues()];
    find("trouble").textContent = trouble.join(" ");
    find("trouble").hidden = !trouble.length;
    const answer = forecast(posterior, { family: family(), values, given });
    if (given.length && answer.effective < LEAST) answer.rows.forEach((row) => Object.assign(row, { lower: NaN, median: NaN, upper: NaN }));
    rows.forEach((row, b) => {
      const { lower, median, upper } = answer.rows[b], withheld = Number.isNaN(median);
      Object.assign(row.dataset, { lower, median, upper });
      row.cells[1].textContent = withheld ? "" : median.toFixed(3);
      row.cells[2].textContent = withheld ? "withheld" : `${lower.toFixed(3)} to ${upper.toFixed(3)}`;
    });
    say(answer, given);
    draw(answer, given);
  }

  // A slider sends many events between two frames: answer once a frame.
  function ask() {
    if (!waiting) waiting = requestAnimationFrame(update);
  }

  function say(answer, given) {
    const withheld = given.length && answer.effective < LEAST;
    const remedy = "Too few for intervals: ask all draws, in Python, or fit again with these scores in the data.";
    const left = `${Math.round(answer.effective)} of ${posterior.sizes.draws} draws are compatible with the known scores.`;
    find("weight").textContent = given.length ? `${left}${withheld ? ` ${remedy}` : ""}` : "";
    find("python").textContent = inPython(given);
    sliders.forEach((slider, i) => slider.setAttribute("aria-valuetext", words(i)));
    const { lower, median, upper } = answer.rows[shown()];
    const size = values.map((_, i) => words(i)).join(", ");
    const interval = withheld ? "withheld" : `${median.toFixed(3)}, from ${lower.toFixed(3)} to ${upper.toFixed(3)}`;
    const text = `${familyName()}, ${size}: ${posterior.benchmarks[shown()]} ${interval}.`;
    clearTimeout(timer);
    timer = setTimeout(() => (find("answer").textContent = text), PAUSE);
  }

  function inPython(given) {
    const name = family() < 0 ? "bs.NEW_FAMILY" : JSON.stringify(posterior.families[family()]);
    const said = (m, i) => {
      if (m.kind === "flag") return values[i] ? "True" : "False";
      return Number((m.kind === "size" ? 10 ** values[i] : values[i]).toPrecision(m.kind === "size" ? 6 : 9));
    };
    const sizes = posterior.measured.map((m, i) => `${m.argument}=${said(m, i)}`);
    const scores = given.map(([b, score]) => `${JSON.stringify(posterior.benchmarks[b])}: ${score}`);
    const known = scores.length ? `, given={${scores.join(", ")}}` : "";
    return `posterior.forecast(family=${name}, ${sizes.join(", ")}${known}).summary(prob=${posterior.prob}, kind="expected")`;
  }

  function fill(name, columns) {
    if (sources[name]) sources[name].data = columns;
  }

  function draw(answer, given) {
    const column = (end) => answer.rows.map((row) => row[end]);
    const interval = { lower: column("lower"), median: column("median"), upper: column("upper") };
    fill("intervals", { benchmark: posterior.benchmarks, ...interval });
    fill("known", { benchmark: given.map(([b]) => posterior.benchmarks[b]), score: given.map(([, score]) => score) });
    if (!sources.band) return;
    const { lower, median, upper } = answer.rows[shown()];
    fill("here", { compute: [10 ** values[posterior.compute]], lower: [lower], median: [median], upper: [upper] });
    drawFamily();
  }

  // Band and observed scores change with family, benchmark and other covariates, not with the slider of compute.
  function drawFamily() {
    const place = posterior.compute, at = (x) => values.map((value, i) => (i === place ? x : value));
    const wanted = `${family()} ${shown()} ${at(0)}`;
    if (bandOf === wanted) return;
    bandOf = wanted;
    const { lowest, highest } = posterior.measured[place], b = shown();
    const grid = Array.from({ length: POINTS }, (_, i) => lowest + ((highest - lowest) * i) / (POINTS - 1));
    const along = grid.map((x) => forecast(posterior, { family: family(), values: at(x), given: [] }).rows[b]);
    const column = (end) => along.map((row) => row[end]);
    const band = { lower: column("lower"), median: column("median"), upper: column("upper") };
    fill("band", { compute: grid.map((x) => 10 ** x), ...band });
    const seen = { own: { compute: [], score: [], model: [] }, others: { compute: [], score: [], model: [] } };
    posterior.models.names.forEach((model, m) => {
      const compute = posterior.models.flops[m], score = posterior.models.scores[m][b];
      if (compute === null || score === null) return;
      const dots = seen[posterior.models.family[m] === family() ? "own" : "others"];
      dots.compute.push(compute), dots.score.push(score), dots.model.push(model);
    });
    fill("own", seen.own);
    fill("others", seen.others);
  }

  sliders.forEach((slider, i) =>
    slider.addEventListener("input", () => {
      values[i] = texts[i] ? Number(slider.value) : Number(slider.checked);
      if (texts[i]) {
        texts[i].value = typed(i);
        texts[i].setAttribute("aria-invalid", "false");
      }
      ask();
    }),
  );
  texts.forEach((text, i) =>
    text?.addEventListener("input", () => {
      const { lowest, highest } = posterior.measured[i], value = fromText(i, text.value);
      const good = value >= lowest && value <= highest;
      text.setAttribute("aria-invalid", String(!good));
      if (good) sliders[i].value = values[i] = value;
      ask();
    }),
  );
  inputs.forEach((input) => input.addEventListener("input", ask));
  for (const id of ["family", "shown"]) find(id)?.addEventListener("change", ask);
  find("query").addEventListener("submit", (event) => event.preventDefault());
  find("clear").addEventListener("click", () => {
    inputs.forEach((input) => (input.value = ""));
    ask();
  });

  update();
  drawPictures(sources, update);
}

// Draw the pictures of the forecast first, which the reader sees; then the others, one at a time to stay responsive.
async function drawPictures(sources, update) {
  const { interactive, fixed } = read("pictures");
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paint);
  for (const item of interactive) await Bokeh.embed.embed_item(item);
  for (const model of drawn()) if (model.name) sources[model.name] = model;
  paint();
  update();
  document.documentElement.dataset.ready = "yes";
  for (const item of fixed) {
    await new Promise((resume) => setTimeout(resume));
    await Bokeh.embed.embed_item(item);
    paint();
  }
  document.documentElement.dataset.ready = "all";
}

// All Bokeh models of the pictures.
const drawn = () => Bokeh.documents.flatMap((held) => held.roots().flatMap((root) => [...root.references()]));

// Give text and axes of the pictures the colours of the page: no style sheet reaches a canvas.
function paint() {
  const style = getComputedStyle(document.documentElement);
  const [ink, soft, line] = ["--ink", "--soft", "--line"].map((name) => style.getPropertyValue(name).trim());
  const axis = {
    axis_line_color: soft, major_tick_line_color: soft, axis_label_text_color: ink, major_label_text_color: ink,
    axis_label_text_font_size: "13px", major_label_text_font_size: "12px",
  };
  const colours = {
    LinearAxis: axis, LogAxis: axis, CategoricalAxis: axis, Grid: { grid_line_color: line },
    Legend: { label_text_color: ink, label_text_font_size: "12px" },
  };
  for (const model of drawn()) if (colours[model.type]) model.setv(colours[model.type]);
}

start();
