// The living part of the page: what the reader asks, and where the answers go. All text from data enters as text
// (textContent, JSON), never as markup.

const LEAST = 50; // fewer draws of weight make ends of intervals rough
const POINTS = 40; // of the band over compute
const PAUSE = 400; // milliseconds of quiet before the new forecast is read aloud

const read = (id) => JSON.parse(document.getElementById(id).textContent);
const find = (id) => document.getElementById(id);

function decode(text) {
  const binary = atob(text), bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  return new Float32Array(bytes.buffer);
}

function start() {
  const world = read("world"), packed = read("arrays");
  world.arrays = Object.fromEntries(Object.entries(packed).map(([name, text]) => [name, decode(text)]));
  const rows = [...find("scores").tBodies[0].rows];
  const inputs = rows.map((row) => row.querySelector("input"));
  const sliders = world.measured.map((m) => find(`slider-${m.name}`));
  const texts = world.measured.map((m) => find(`figure-${m.name}`));
  const sources = {}; // of the pictures, by name, once they are drawn
  // Log10 in base units. Apart from the sliders, whose steps would round what was typed.
  const figures = sliders.map((slider) => Number(slider.value));
  let bandOf = null, waiting = 0, timer = 0;

  const family = () => Number(find("family").value);
  const shown = () => (find("shown") ? Number(find("shown").value) : 0);
  const familyName = () => (family() < 0 ? "A family never seen" : world.families[family()]);
  const inUnits = (i) => 10 ** figures[i] / world.measured[i].scale;
  const asText = (value) => (value >= 1e5 || value < 0.01 ? value.toExponential(2) : String(Number(value.toPrecision(3))));

  // What was typed and cannot be used, in words; valid scores as [benchmark, score].
  function readScores() {
    const given = [], wrong = [];
    inputs.forEach((input, b) => {
      const value = input.value === "" ? NaN : Number(input.value);
      const bad = input.validity.badInput || value < 0 || value > 1;
      input.setAttribute("aria-invalid", String(bad));
      if (bad) {
        const hint = value > 1 && value <= 100 ? ` Did you mean ${value / 100}?` : "";
        wrong.push(`The known score of ${world.benchmarks[b]} must be between 0 and 1.${hint}`);
      } else if (!Number.isNaN(value)) given.push([b, value]);
    });
    return { given, wrong };
  }

  function readFigures() {
    return world.measured.flatMap((m, i) => {
      const bad = texts[i].getAttribute("aria-invalid") === "true";
      const [low, high] = [m.lowest, m.highest].map((v) => asText(10 ** v / m.scale));
      return bad ? [`${m.title} must be a number from ${low} to ${high}, in ${m.unit}.`] : [];
    });
  }

  function update() {
    waiting = 0;
    const { given, wrong } = readScores(), trouble = [...wrong, ...readFigures()];
    find("trouble").textContent = trouble.join(" ");
    find("trouble").hidden = !trouble.length;
    const answer = forecast(world, { family: family(), figures, given });
    rows.forEach((row, b) => {
      const { lower, median, upper } = answer.rows[b];
      Object.assign(row.dataset, { lower, median, upper });
      row.cells[1].textContent = median.toFixed(3);
      row.cells[2].textContent = `${lower.toFixed(3)} to ${upper.toFixed(3)}`;
    });
    say(answer, given);
    draw(answer, given);
  }

  // A slider sends many events between two frames; one answer a frame is enough.
  function ask() {
    if (!waiting) waiting = requestAnimationFrame(update);
  }

  function say(answer, given) {
    const rough = answer.effective < LEAST ? " So few make rough intervals: ask Python, or fit again with the scores." : "";
    const left = `${Math.round(answer.effective)} of ${world.sizes.draws} draws carry weight given the known scores.`;
    find("weight").textContent = given.length ? left + rough : "";
    find("python").textContent = inPython(given);
    sliders.forEach((slider, i) => slider.setAttribute("aria-valuetext", `${asText(inUnits(i))} ${world.measured[i].unit}`));
    const { lower, median, upper } = answer.rows[shown()];
    const size = world.measured.map((m, i) => `${asText(inUnits(i))} ${m.unit}`).join(", ");
    const text =
      `${familyName()}, ${size}: ${world.benchmarks[shown()]} ${median.toFixed(3)}, ` +
      `from ${lower.toFixed(3)} to ${upper.toFixed(3)}.`;
    clearTimeout(timer);
    timer = setTimeout(() => (find("answer").textContent = text), PAUSE);
  }

  function inPython(given) {
    const name = family() < 0 ? "bs.NEW_FAMILY" : JSON.stringify(world.families[family()]);
    const sizes = world.measured.map((m, i) => `${m.argument}=${Number((10 ** figures[i]).toPrecision(6))}`);
    const scores = given.map(([b, score]) => `${JSON.stringify(world.benchmarks[b])}: ${score}`);
    const known = scores.length ? `, given={${scores.join(", ")}}` : "";
    return `posterior.forecast(family=${name}, ${sizes.join(", ")}${known}).summary(prob=${world.prob}, kind="expected")`;
  }

  function fill(name, columns) {
    if (sources[name]) sources[name].data = columns;
  }

  function draw(answer, given) {
    const column = (end) => answer.rows.map((row) => row[end]);
    const interval = { lower: column("lower"), median: column("median"), upper: column("upper") };
    fill("intervals", { benchmark: world.benchmarks, ...interval });
    fill("known", { benchmark: given.map(([b]) => world.benchmarks[b]), score: given.map(([, score]) => score) });
    if (!sources.band) return;
    const { lower, median, upper } = answer.rows[shown()];
    fill("here", { compute: [10 ** figures[0]], lower: [lower], median: [median], upper: [upper] });
    drawFamily();
  }

  // The band and the observed scores wait for another family or benchmark; the slider leaves them where they are.
  function drawFamily() {
    const wanted = `${family()} ${shown()}`;
    if (bandOf === wanted) return;
    bandOf = wanted;
    const { lowest, highest } = world.measured[0], b = shown();
    const grid = Array.from({ length: POINTS }, (_, i) => lowest + ((highest - lowest) * i) / (POINTS - 1));
    const along = grid.map((x) => forecast(world, { family: family(), figures: [x], given: [] }).rows[b]);
    const column = (end) => along.map((row) => row[end]);
    const band = { lower: column("lower"), median: column("median"), upper: column("upper") };
    fill("band", { compute: grid.map((x) => 10 ** x), ...band });
    const seen = { own: { compute: [], score: [], model: [] }, others: { compute: [], score: [], model: [] } };
    world.models.names.forEach((model, m) => {
      const compute = world.models.flops[m], score = world.models.scores[m][b];
      if (compute === null || score === null) return;
      const dots = seen[world.models.family[m] === family() ? "own" : "others"];
      dots.compute.push(compute), dots.score.push(score), dots.model.push(model);
    });
    fill("own", seen.own);
    fill("others", seen.others);
  }

  sliders.forEach((slider, i) =>
    slider.addEventListener("input", () => {
      figures[i] = Number(slider.value);
      texts[i].value = asText(inUnits(i));
      texts[i].setAttribute("aria-invalid", "false");
      ask();
    }),
  );
  texts.forEach((text, i) =>
    text.addEventListener("input", () => {
      const { scale, lowest, highest } = world.measured[i], value = Math.log10(Number(text.value) * scale);
      const good = value >= lowest && value <= highest;
      text.setAttribute("aria-invalid", String(!good));
      if (good) sliders[i].value = figures[i] = value;
      ask();
    }),
  );
  inputs.forEach((input) => input.addEventListener("input", ask));
  for (const id of ["family", "shown"]) find(id)?.addEventListener("change", ask);
  find("question").addEventListener("submit", (event) => event.preventDefault());
  find("clear").addEventListener("click", () => {
    inputs.forEach((input) => (input.value = ""));
    ask();
  });

  update();
  drawPictures(sources, update);
}

// Those of the forecast first, which the reader sees; then the others, with a breath between for clicks and keys.
async function drawPictures(sources, update) {
  const { moving, still } = read("pictures");
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paint);
  for (const item of moving) await Bokeh.embed.embed_item(item);
  for (const model of drawn()) if (model.name) sources[model.name] = model;
  paint();
  update();
  document.documentElement.dataset.ready = "yes";
  for (const item of still) {
    await new Promise((resume) => setTimeout(resume));
    await Bokeh.embed.embed_item(item);
    paint();
  }
  document.documentElement.dataset.ready = "all";
}

// All that the pictures are made of.
const drawn = () => Bokeh.documents.flatMap((held) => held.roots().flatMap((root) => [...root.references()]));

// Pictures are drawn on canvases, which no style sheet reaches: text and axes take the colours of the page.
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
