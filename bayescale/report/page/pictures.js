// Pictures of the forecast, and the same in words and tables for those who do not see them.

const POINTS = 41; // of a band over an axis
const EVERY = 4; // of these points are rows of the table
const NAMED = 4; // known models near the forecast that are named, at most
const FIRST = "#2A87C8", SECOND = "#D55E00"; // as bayescale/report/figures.py

const fixed = (value) => value.toFixed(2);

// Expected scores of one model of a family on benchmark `b` along a covariate: {grid, lower, median, upper}.
// Along compute each point says it, be it undisclosed or not.
function along(posterior, { place }, family, values, b, undisclosed = false) {
  const { lowest, highest } = posterior.measured[place];
  const grid = Array.from({ length: POINTS }, (_, i) => lowest + ((highest - lowest) * i) / (POINTS - 1));
  const rows = grid.map((at) => {
    const query = { family, values: values.map((value, i) => (i === place ? at : value)), given: [], only: b };
    return forecast(posterior, { ...query, undisclosed: undisclosed && place !== posterior.compute.place }).rows[b];
  });
  const column = (end) => rows.map((row) => row[end]);
  return { grid, lower: column("lower"), median: column("median"), upper: column("upper") };
}

// Observed scores on benchmark `b` of models whose place on the axis is known, those of `families` last, and so on top.
function observed(posterior, axis, b, families) {
  const found = [];
  posterior.models.names.forEach((model, m) => {
    const at = axis.at[m], score = posterior.models.scores[m][b], whose = families.indexOf(posterior.models.family[m]);
    if (at !== null && score !== null) found.push({ model, at, score, whose });
  });
  return found.sort((one, other) => (other.whose < 0) - (one.whose < 0));
}

// The observed models nearest to the forecast, those of its families first, whose names do not lie on each other.
function nearest(posterior, axis, dots, value) {
  const { kind, lowest, highest } = posterior.measured[axis.place];
  const scale = (at) => (kind === "size" ? Math.log10(at) : at), chosen = [];
  const far = (dot) => Math.abs(scale(dot.at) - value) + (dot.whose < 0 ? 1 : 0);
  for (const dot of dots.filter((d) => far(d) < 2).sort((one, other) => far(one) - far(other))) {
    if (chosen.every((c) => Math.abs(c.score - dot.score) > 0.06) && chosen.length < NAMED) chosen.push(dot);
  }
  return chosen.map(({ model, at, score }) => {
    const left = scale(at) > (lowest + highest) / 2;
    return { at, score, label: model.split("/").pop(), align: left ? "right" : "left", offset: left ? -9 : 9 };
  });
}

// The columns of a source of Bokeh, from rows.
const columns = (rows, names) => Object.fromEntries(names.map((name) => [name, rows.map((row) => row[name])]));

function fillTable(id, rows) {
  const body = document.getElementById(id).tBodies[0];
  body.replaceChildren(
    ...rows.map((cells) => {
      const row = document.createElement("tr");
      row.append(...cells.map((text, i) => {
        const cell = document.createElement(i ? "td" : "th");
        cell.textContent = text;
        if (i) cell.className = "number";
        else cell.scope = "row";
        return cell;
      }));
      return row;
    }),
  );
}

// Draw the pictures of the forecast first, which the reader sees; then the others, one at a time to stay responsive.
async function drawPictures(sources, update) {
  const { interactive, fixed: others } = JSON.parse(document.getElementById("pictures").textContent);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paint);
  for (const item of interactive) await Bokeh.embed.embed_item(item);
  for (const model of drawn()) if (model.name) sources[model.name] = model;
  paint();
  update();
  document.documentElement.dataset.ready = "yes";
  for (const item of others) {
    await new Promise((resume) => setTimeout(resume));
    await Bokeh.embed.embed_item(item);
    paint();
  }
  for (const picture of document.querySelectorAll("[id^=picture-]")) leaveOut(picture);
  document.documentElement.dataset.ready = "all";
}

// Bokeh makes its drawing areas stops of the Tab key, without a name: the tables say what they show.
function leaveOut(node) {
  for (const element of node.querySelectorAll("*")) {
    if (element.hasAttribute("tabindex")) element.tabIndex = -1;
    if (element.shadowRoot) leaveOut(element.shadowRoot);
  }
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
    Legend: { label_text_color: ink, label_text_font_size: "12px" }, Label: { text_color: soft },
    Text: { text_color: ink, text_font_size: "12px" },
  };
  for (const model of drawn()) if (colours[model.type]) model.setv(colours[model.type]);
}
