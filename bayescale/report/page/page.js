// Interaction: read the query from the form, and write the answer to the page. All text from data enters as text
// (textContent, JSON), never as markup.

const LEAST = 50; // effective draws below which intervals are withheld, as in Python
const FAR = 1; // decades or years beyond the data, as bayescale/forecast/extrapolation.py
const PAUSE = 400; // milliseconds of quiet before a screen reader announces the new forecast
const REST = 120; // milliseconds of quiet before a forecast given known scores, which takes longer than a frame

const find = (id) => document.getElementById(id);
const read = (id) => JSON.parse(find(id).textContent);

function decode(text) {
  if (typeof text === "number") return new Float32Array(text); // zeros alone
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
  const sources = {}, bands = new Map(); // sources of the pictures, by name, once they are drawn; bands by what is asked
  // Log10 of sizes in base units; not read from the sliders, whose steps would round what was typed.
  const values = sliders.map((slider) => (slider.type === "checkbox" ? Number(slider.checked) : Number(slider.value)));
  const box = find("undisclosed"); // where the spec predicts compute
  let waiting = 0, resting = 0, timer = 0, latest = null;

  const shown = () => Number(find("shown").value);
  // Indices of the families, -1 for a new one: that of the forecast and, if chosen, another beside it.
  const families = () => ["family", "other"].map((id) => find(id).value).filter((text) => text !== "").map(Number);
  const nameOf = (family) => (family < 0 ? "A new family" : posterior.families[family]);
  const asText = (value) => (value >= 1e5 || value < 0.01 ? value.toExponential(2) : String(Number(value.toPrecision(3))));
  // A value as the reader types it, and back.
  function typed(i, value = values[i]) {
    const { kind, scale } = posterior.measured[i];
    if (kind === "size") return asText(10 ** value / scale);
    return kind === "date" ? value.toFixed(2) : String(Number(value.toPrecision(6)));
  }
  const fromText = (i, text) =>
    posterior.measured[i].kind === "size" ? Math.log10(Number(text) * posterior.measured[i].scale) : Number(text || NaN);
  const hidden = (i) => Boolean(box?.checked) && i === posterior.compute.place;
  function words(i) {
    const { kind, title, unit } = posterior.measured[i];
    if (hidden(i)) return "compute not disclosed";
    if (kind === "flag") return values[i] ? title : `not ${title}`;
    return kind === "size" ? `${typed(i)} ${unit}` : `${title} ${typed(i)}`;
  }

  const sizes = () => values.map((_, i) => words(i)).join(", ");

  // A score that was typed: null where there is none, and a message where it is no score.
  function readScore(input, what, wrong) {
    const value = input.value === "" ? NaN : Number(input.value);
    const bad = input.validity.badInput || value < 0 || value > 1;
    input.setAttribute("aria-invalid", String(bad));
    const hint = value > 1 && value <= 100 ? ` Did you mean ${value / 100}?` : "";
    if (bad) wrong.push(`${what} must be between 0 and 1.${hint}`);
    return bad || Number.isNaN(value) ? null : value;
  }

  function readValues() {
    return posterior.measured.flatMap((m, i) => {
      const bad = !hidden(i) && texts[i]?.getAttribute("aria-invalid") === "true";
      const [low, high] = [m.lowest, m.highest].map((v) => typed(i, v));
      return bad ? [`${m.title} must be a number from ${low} to ${high}${m.kind === "size" ? `, in ${m.unit}` : ""}.`] : [];
    });
  }

  function update() {
    waiting = 0;
    const trouble = readValues(), [family, other] = families();
    const given = inputs.flatMap((input, b) => {
      const score = readScore(input, `The known score of ${posterior.benchmarks[b]}`, trouble);
      return score === null ? [] : [[b, score]];
    });
    const target = readScore(find("target"), "The target", trouble);
    const undisclosed = Boolean(box?.checked);
    const computes = undisclosed ? families().map((whose) => drawnCompute(posterior, { family: whose, values })) : [];
    const answers = [forecast(posterior, { family, values, given, undisclosed })];
    if (other !== undefined) answers.push(forecast(posterior, { family: other, values, given: [], undisclosed }));
    const [answer] = answers, effective = Math.round(answer.effective), enough = !given.length || answer.effective >= LEAST;
    const left = `${effective} of ${posterior.sizes.draws} draws are compatible with the known scores`;
    find("weight").textContent = given.length && enough ? `${left}.` : "";
    if (!enough) trouble.push(`Only ${left}: too few for a forecast. Add this model to the data (evals.add) and fit again.`);
    find("trouble").textContent = trouble.join(" ");
    find("trouble").hidden = !trouble.length;
    rows.forEach((row, b) => {
      Object.assign(row.dataset, answer.rows[b]);
      writeInterval(row.cells[1], enough && answer.rows[b]);
      writeInterval(row.cells[2], answers[1]?.rows[b]);
    });
    latest = answer;
    find("beyond").textContent = beyond(computes);
    find("beyond").hidden = !find("beyond").textContent;
    find("head-first").textContent = nameOf(family);
    find("head-second").textContent = other === undefined ? "" : nameOf(other);
    find("forecast").classList.toggle("compared", other !== undefined);
    find("python").textContent = inPython(given, target);
    sliders.forEach((slider, i) => slider.setAttribute("aria-valuetext", words(i)));
    find("asked").textContent = `${families().map(nameOf).join(" and ")}, ${sizes()}`;
    const said = families().map((whose, i) => decide(whose, i, i || enough ? answers[i] : null, target));
    if (box) said.unshift(assume(computes, given.length));
    clearTimeout(timer);
    timer = setTimeout(() => (find("answer").textContent = said.join(" ")), PAUSE);
    if (sources.intervals) draw(enough ? answers : [null, ...answers.slice(1)], given, target);
    find("scores").setAttribute("aria-busy", "false");
  }

  // A slider sends many events between two frames: answer once a frame, or once it rests.
  function ask() {
    find("scores").setAttribute("aria-busy", "true");
    if (inputs.some((input) => input.value !== "")) {
      clearTimeout(resting);
      resting = setTimeout(update, REST);
    } else if (!waiting) waiting = requestAnimationFrame(update);
  }

  // Say what compute the forecast assumes where none is disclosed; its slider then rests.
  function assume(computes, given) {
    const { place, from } = posterior.compute;
    for (const input of [sliders[place], texts[place]]) input.disabled = box.checked;
    const each = computes.map((compute, i) => {
      const [lower, median, upper] = quantiles(compute, posterior.quantiles).map((at) => (10 ** at).toExponential(1));
      const whose = computes.length > 1 ? ` for ${nameOf(families()[i])}` : "";
      return `${median} FLOP${whose} (${Number((100 * posterior.prob).toPrecision(6))}% interval ${lower} to ${upper})`;
    });
    const how = `predicted from ${from}${given ? ", known scores aside" : ""}`;
    const sentence = computes.length ? `Compute not disclosed: the forecast assumes ${each.join(" and ")}, ${how}.` : "";
    Object.assign(find("assumed"), { textContent: sentence, hidden: !sentence });
    return sentence;
  }

  function writeInterval(cell, row) {
    cell.children[0].textContent = row ? fixed(row.median) : "–";
    cell.children[1].textContent = row ? `${fixed(row.lower)} to ${fixed(row.upper)}` : "";
  }

  // Sizes and dates that lie beyond those of the data, in words.
  function beyond(computes) {
    const means = computes.map((compute) => compute.reduce((sum, value) => sum + value, 0) / compute.length);
    const far = posterior.measured.flatMap((m, i) => {
      const distance = (hidden(i) ? Math.max(...means) : values[i]) - m.seen[1], what = m.title.toLowerCase();
      if (!(distance > 1e-9) || !["size", "date"].includes(m.kind)) return [];
      return m.kind === "size"
        ? [{ distance, text: `${asText(10 ** distance)} times the largest ${what} in the data` }]
        : [{ distance, text: `${distance.toFixed(1)} years after the newest model of the data` }];
    });
    find("beyond").classList.toggle("bad", far.some(({ distance }) => distance > FAR));
    const list = far.map(({ text }) => text).join(", ");
    return far.length ? `Beyond the data: ${list}. The intervals do not cover an error in the form of the curve there.` : "";
  }

  function bandOf(axis, family) {
    const others = values.map((value, i) => (hidden(i) ? "undisclosed" : value)).filter((_, i) => i !== axis.place);
    const key = [axis.name, family, shown(), ...others].join(" ");
    if (!bands.has(key)) {
      if (bands.size > 20) bands.clear();
      bands.set(key, along(posterior, axis, family, values, shown(), box?.checked));
    }
    return bands.get(key);
  }

  // Fill the cards that decide: the score, the probability of the target, and what the target needs. Return a sentence.
  function decide(family, place, answer, target) {
    const name = posterior.benchmarks[shown()], row = answer?.rows[shown()];
    const card = (id, big, small) => {
      const line = find(id).children[1 + place], texts = [families().length > 1 ? `${nameOf(family)} ` : "", big, small];
      texts.forEach((text, i) => (line.children[i].textContent = text));
      return `${big}${small && ` (${small})`}`;
    };
    const said = [];
    find("card-score").children[0].textContent = `${name}, expected score`;
    if (row) {
      const range = `${fixed(row.lower)} to ${fixed(row.upper)}`;
      card("card-score", fixed(row.median), range);
      said.push(`${nameOf(family)}, ${sizes()}: ${name} ${fixed(row.median)}, from ${range}.`);
    } else card("card-score", "–", "");
    find("card-chance").children[0].textContent = target === null ? "Probability" : `Probability of more than ${target}`;
    if (row && target !== null) {
      const share = probabilityAbove(posterior, answer, shown(), target);
      const error = Math.ceil(100 * Math.sqrt((share * (1 - share)) / answer.effective));
      const percent = share < 0.005 ? "<1%" : share > 0.995 ? ">99%" : `${Math.round(100 * share)}%`;
      said.push(`Above ${target} with probability ${card("card-chance", percent, /[<>]/.test(percent) ? "" : `± ${error}`)}.`);
    } else card("card-chance", "–", "");
    for (const axis of posterior.axes) {
      const { kind, title, unit, lowest, highest } = posterior.measured[axis.place], id = `card-${axis.name}`;
      find(id).children[0].textContent = `${title} for ${target ?? "the target"}`;
      if (target === null) {
        card(id, "–", "");
        continue;
      }
      const band = bandOf(axis, family), brief = (at) => (kind === "size" ? (10 ** at).toExponential(1) : at.toFixed(1));
      const [least, middle, most] = ["upper", "median", "lower"].map((end) => {
        const at = crossing(band.grid, band[end], target);
        return Number.isFinite(at) ? brief(at) : at < 0 ? `<${brief(lowest)}` : `>${brief(highest)}`;
      });
      const needed = card(id, kind === "size" ? `${middle} ${unit}` : middle, `${least} to ${most}`);
      said.push(`For ${target}: ${title.toLowerCase()} ${needed}.`);
    }
    return said.join(" ");
  }

  function inPython(given, target) {
    const names = families().map((f) => (f < 0 ? "bs.NEW_FAMILY" : JSON.stringify(posterior.families[f])));
    const asked = names.length > 1 && !given.length ? `[${names.join(", ")}]` : names[0];
    const said = (m, i) => {
      if (m.kind === "flag") return values[i] ? "True" : "False";
      return Number((m.kind === "size" ? 10 ** values[i] : values[i]).toPrecision(m.kind === "size" ? 6 : 9));
    };
    const facts = posterior.measured.flatMap((m, i) => (hidden(i) ? [] : [`${m.argument}=${said(m, i)}`]));
    if (box?.checked && !posterior.compute.said) {
      const makers = families().map((f) => posterior.compute.makers[posterior.compute.maker[f]]);
      const named = makers.map((maker) => (maker ? JSON.stringify(maker) : "bs.NEW_FAMILY"));
      if (makers.some(Boolean)) facts.push(`organization=${asked === names[0] ? named[0] : `[${named.join(", ")}]`}`);
    }
    const scores = given.map(([b, score]) => `${JSON.stringify(posterior.benchmarks[b])}: ${score}`);
    const known = scores.length ? `, given={${scores.join(", ")}}` : "";
    const lines = [
      `forecast = posterior.forecast(family=${asked}, ${facts.join(", ")}${known})`,
      `forecast.summary(prob=${posterior.prob}, kind="expected")`,
    ];
    if (target !== null) {
      const benchmark = JSON.stringify(posterior.benchmarks[shown()]);
      lines.push(`forecast.probability(${benchmark}, above=${target}, kind="expected")`);
      if (posterior.measured.length === 1 && posterior.axes.length) {
        lines.push(`posterior.required_compute(${benchmark}, ${target}, ${names[0]}).summary(prob=${posterior.prob})`);
      }
    }
    return lines.join("\n");
  }

  function draw(answers, given, target) {
    const rows = answers.flatMap((answer, i) =>
      (answer?.rows ?? []).map((row, b) => {
        const place = (answers.length > 1 ? 0.15 : 0) * (i ? -1 : 1);
        return { ...row, benchmark: [posterior.benchmarks[b], place], colour: i ? SECOND : FIRST };
      }),
    );
    const ends = ["lower", "median", "upper"];
    sources.intervals.data = columns(rows, ["benchmark", "colour", ...ends]);
    sources.known.data = { benchmark: given.map(([b]) => posterior.benchmarks[b]), score: given.map(([, score]) => score) };
    for (const axis of posterior.axes) drawAxis(axis, answers, target);
  }

  function drawAxis(axis, answers, target) {
    const { name, place } = axis, { kind, title } = posterior.measured[place], b = shown();
    const onAxis = (at) => (kind === "size" ? 10 ** at : at), brief = (at) => (kind === "size" ? at.toExponential(1) : at.toFixed(1));
    const empty = { grid: [], lower: [], median: [], upper: [] }, whose = families();
    const drawnBands = whose.map((family) => bandOf(axis, family));
    for (const [end, { grid, ...band }] of [["first", drawnBands[0]], ["second", drawnBands[1] ?? empty]]) {
      sources[`${name}-${end}`].data = { at: grid.map(onAxis), ...band };
    }
    const here = answers.flatMap((answer, i) =>
      answer && !hidden(place) ? [{ at: onAxis(values[place]), ...answer.rows[b], colour: i ? SECOND : FIRST }] : [],
    );
    sources[`${name}-here`].data = columns(here, ["at", "lower", "median", "upper", "colour"]);
    const dots = observed(posterior, axis, b, whose);
    const looks = [["circle", 5, "#9A9A9A"], ["diamond", 10, FIRST], ["square", 8, SECOND]];
    const styled = dots.map((dot) => {
      const [marker, size, colour] = looks[dot.whose + 1];
      return { ...dot, marker, size, colour };
    });
    sources[`${name}-seen`].data = columns(styled, ["at", "score", "model", "colour", "marker", "size"]);
    const named = hidden(place) ? [] : nearest(posterior, axis, dots, values[place]);
    sources[`${name}-named`].data = columns(named, ["at", "score", "label", "align", "offset"]);
    sources[`${name}-target`].setv({ location: target, visible: target !== null });
    const [first] = drawnBands, last = POINTS - 1;
    const rise = `${fixed(first.median[0])} at ${brief(onAxis(first.grid[0]))} to ${fixed(first.median[last])} at ${brief(onAxis(first.grid[last]))}`;
    const picture = find(`picture-${name}`), what = `Expected score on ${posterior.benchmarks[b]} over ${title.toLowerCase()}`;
    picture.setAttribute("aria-label", `${what}. ${nameOf(whose[0])}: median from ${rise}. The tables below show the same.`);
    const range = (band, i) => `${fixed(band.median[i])} (${fixed(band.lower[i])} to ${fixed(band.upper[i])})`;
    const kept = first.grid.flatMap((at, i) => (i % EVERY ? [] : [[brief(onAxis(at)), ...drawnBands.map((band) => range(band, i))]]));
    fillTable(`table-${name}`, kept);
    find(`table-${name}`).tHead.rows[0].replaceChildren(...headings([title, ...whose.map(nameOf)]));
    const models = dots.filter((dot) => dot.whose >= 0).sort((one, other) => one.at - other.at);
    fillTable(`models-${name}`, models.map((dot) => [dot.model, brief(dot.at), fixed(dot.score)]));
  }

  function headings(titles) {
    return titles.map((text, i) => {
      const cell = document.createElement("th");
      Object.assign(cell, { textContent: text, scope: "col", className: i ? "number" : "" });
      return cell;
    });
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
  box?.addEventListener("change", ask);
  for (const input of [...inputs, find("target")]) input.addEventListener("input", ask);
  for (const id of ["family", "other"]) find(id).addEventListener("change", ask);
  find("shown").addEventListener("change", () => {
    // A target that the reader typed stays; another one follows the benchmark.
    const target = find("target"), near = Math.min(Math.max(latest.rows[shown()].median, 0.05), 0.95);
    if (target.value === target.defaultValue) target.value = target.defaultValue = Math.ceil(20 * near) / 20;
    ask();
  });
  find("query").addEventListener("submit", (event) => event.preventDefault());
  find("clear").addEventListener("click", () => {
    inputs.forEach((input) => (input.value = ""));
    ask();
  });
  // What scrolls sideways can be reached by keyboard, and only while it scrolls.
  const watch = new ResizeObserver((seen) => {
    for (const { target } of seen) target.tabIndex = target.scrollWidth > target.clientWidth ? 0 : -1;
  });
  for (const box of document.querySelectorAll(".scroll")) watch.observe(box);

  update();
  drawPictures(sources, update);
}

start();
