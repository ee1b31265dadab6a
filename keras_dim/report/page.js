"use strict";
// Names of files and classes reach the page as text alone: through `el`, which
// never reads HTML.
const data = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);
const count = (n, one, many) => `${n.toLocaleString("en")} ${n === 1 ? one : many || one + "s"}`;

function el(tag, properties, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties || {})) {
    if (name in element) element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

function bytes(text) {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}

const ARRAYS = { Uint16: Uint16Array, Int16: Int16Array, Int32: Int32Array, Uint32: Uint32Array, Float32: Float32Array };
const c = {};
for (const [name, { type, data: text }] of Object.entries(data.columns)) {
  c[name] = new ARRAYS[type](bytes(text).buffer);
}
const total = data.names.length;

// Thumbnails: squares in sheets, shown in the shape of the image.

const urls = { small: [], large: [] };
function sheetUrl(kind, number) {
  if (!urls[kind][number]) {
    const sheet = data[kind];
    urls[kind][number] = URL.createObjectURL(new Blob([bytes(sheet.images[number])], { type: sheet.type }));
    sheet.images[number] = null;
  }
  return urls[kind][number];
}

function locate(row) {
  const kind = c.large[row] >= 0 ? "large" : "small";
  const { side, columns } = data[kind];
  const number = Math.floor(c[kind][row] / columns ** 2);
  const place = c[kind][row] % columns ** 2;
  const inSheet = Math.min(columns ** 2, countOf(kind) - number * columns ** 2);
  return { kind, side, columns, number, column: place % columns, line: Math.floor(place / columns), lines: Math.ceil(inSheet / columns) };
}

const counts = {};
function countOf(kind) {
  if (!(kind in counts)) counts[kind] = c[kind].reduce((most, n) => Math.max(most, n + 1), 0);
  return counts[kind];
}

function shape(row, box) {
  const [height, width] = c.size ? [c.size[2 * row], c.size[2 * row + 1]] : [1, 1];
  const scale = box / Math.max(height, width);
  return [Math.max(2, Math.round(width * scale)), Math.max(2, Math.round(height * scale))];
}

function picture(row, box) {
  const at = locate(row);
  const [width, height] = shape(row, box);
  const span = el("span", { className: "picture" });
  Object.assign(span.style, {
    width: `${width}px`,
    height: `${height}px`,
    backgroundImage: `url("${sheetUrl(at.kind, at.number)}")`,
    backgroundSize: `${at.columns * width}px ${at.lines * height}px`,
    backgroundPosition: `${-at.column * width}px ${-at.line * height}px`,
    imageRendering: at.side < 48 ? "pixelated" : "auto",
  });
  return span;
}

const box = () => (matchMedia("(max-width: 760px)").matches ? 72 : 96);

function imageButton(row, caption) {
  const name = data.names[row];
  const button = el("button", { className: "image", title: name, "aria-label": caption ? `${name}, ${caption}` : name },
    el("span", { className: "frame" }, picture(row, box())),
    caption ? el("small", {}, caption) : null);
  button.onclick = () => show(row);
  return button;
}

function images(rows, caption) {
  return el("div", { className: "images" }, ...rows.map((row) => imageButton(row, caption ? caption(row) : "")));
}

// Facts about one image, and the images most similar to it.

const className = (number) => (number < 0 ? "no label" : data.classes[number]);
const percent = (share) => `${Math.round(100 * share)} %`;
let opener = null;

function facts(row) {
  const found = [];
  if (c.size) found.push(["Size", `${c.size[2 * row + 1]} x ${c.size[2 * row]}`]);
  if (c.label) {
    found.push(["Class", className(c.label[row])]);
    if (c.suggested[row] !== c.label[row]) found.push(["Neighbours say", `${className(c.suggested[row])}${c.issue[row] >= 0 ? ` (${percent(c.issue[row])} against)` : ""}`, c.label[row] >= 0]);
  }
  found.push(["Cluster", String(c.cluster[row] + 1)]);
  found.push(["Outlier score", c.outlier[row].toFixed(3)]);
  if (c.group[row] >= 0) found.push(["Duplicates", count(groupSize(c.group[row]), "image") + " in its group", true]);
  const defects = data.sections.defects.filter((kind, bit) => (c.defects[row] >> bit) & 1);
  if (defects.length) found.push(["Defects", defects.map((kind) => kind.title.toLowerCase()).join(", "), true]);
  return el("dl", {}, ...found.flatMap(([title, value, warns]) => [el("dt", {}, title), el("dd", { className: warns ? "warning" : "" }, value)]));
}

function groupSize(group) {
  return c.group.reduce((size, other) => size + (other === group), 0);
}

function show(row) {
  const isNew = $("detail").hidden;
  if (isNew) opener = document.activeElement;
  const near = [];
  for (let k = 0; k < data.neighbors; k += 1) {
    const other = c.near[row * data.neighbors + k];
    if (other >= 0) near.push([other, c.cosine[row * data.neighbors + k] / 1000]);
  }
  const close = el("button", { id: "close" }, "Close");
  close.onclick = hide;
  $("detail").replaceChildren(close,
    el("h2", {}, data.names[row]),
    picture(row, box() === 72 ? 120 : 220), el("h3", {}, "Facts"), facts(row),
    el("h3", {}, "Most similar images"),
    el("div", { className: "images" }, ...near.map(([other, cosine]) => imageButton(other, cosine.toFixed(2)))));
  $("detail").hidden = false;
  $("detail").scrollTop = 0;
  document.body.classList.add("open");
  chosen = row;
  resize();
  close.focus({ preventScroll: true });
}

function hide() {
  $("detail").hidden = true;
  document.body.classList.remove("open");
  chosen = -1;
  resize();
  if (opener && opener.isConnected) opener.focus({ preventScroll: true });
}

addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !$("detail").hidden) hide();
});

$("query").oninput = () => {
  const query = $("query").value.trim().toLowerCase();
  if (!query) return $("matches").replaceChildren();
  const rows = [];
  let found = 0;
  data.names.forEach((name, row) => {
    if (!name.toLowerCase().includes(query)) return;
    found += 1;
    if (rows.length < 40) rows.push(row);
  });
  $("matches").replaceChildren(el("p", { className: "more" }, found > 40 ? `The first 40 of ${count(found, "image")}.` : `${count(found, "image")} found.`), images(rows));
};

// The map.

const canvas = $("canvas");
const view = { x: 0.5, y: 0.5, zoom: 1 };
let chosen = -1;
let size = [0, 0];
const GRID = 256;
const cells = new Map();
for (let row = 0; row < total; row += 1) {
  const key = (c.x[row] >> 8) * GRID + (c.y[row] >> 8);
  if (!cells.has(key)) cells.set(key, []);
  cells.get(key).push(row);
}
const dark = matchMedia("(prefers-color-scheme: dark)");
// The palette of Okabe and Ito, told apart by most colour-blind readers; then
// hues that lie far apart.
const OKABE_ITO = ["#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9", "#b09b00"];
const hue = (n) => OKABE_ITO[n] || `hsl(${Math.round(n * 137.5) % 360} 55% ${dark.matches ? 62 : 44}%)`;
const ramp = (share) => `hsl(${Math.round(230 - 200 * share)} ${60 + 25 * share}% ${dark.matches ? 40 + 25 * share : 62 - 17 * share}%)`;
const plain = () => (dark.matches ? "#5b646d" : "#b3bac2");
const marked = () => (dark.matches ? "#ff8a80" : "#b3261e");
const rankOf = Array.from(c.outlier).sort((a, b) => a - b);
function quantile(value) {
  let low = 0;
  let high = rankOf.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (rankOf[middle] < value) low = middle + 1;
    else high = middle;
  }
  return low / Math.max(1, rankOf.length - 1);
}
const yesNo = (title, test) => ({ title, key: (row) => (test(row) ? 1 : 0), colour: (n) => (n ? marked() : plain()), legend: [[1, "yes"], [0, "no"]] });
const COLOURS = [
  { title: "cluster", key: (row) => c.cluster[row], colour: hue, legend: data.sections.clusters.slice(0, 7).map((one, n) => [n, String(n + 1)]) },
  { title: "outlier score", key: (row) => Math.floor(9 * quantile(c.outlier[row])), colour: (n) => ramp(n / 9), legend: [[0, "low"], [9, "high"]] },
  yesNo("duplicates", (row) => c.group[row] >= 0),
  yesNo("defects", (row) => c.defects[row] > 0),
];
if (c.label) {
  COLOURS.unshift({ title: "class", key: (row) => c.label[row], colour: (n) => (n < 0 ? plain() : hue(n)), legend: data.classes.slice(0, 12).map((name, n) => [n, name]) });
  COLOURS.push(yesNo("label and neighbours disagree", (row) => c.label[row] >= 0 && c.suggested[row] >= 0 && c.suggested[row] !== c.label[row]));
}
let colouring = COLOURS[0];
let layers = [];
COLOURS.forEach((one, n) => $("colour").append(el("option", { value: n }, one.title)));

function recolour() {
  colouring = COLOURS[Number($("colour").value)];
  const byKey = new Map();
  for (let row = 0; row < total; row += 1) {
    const key = colouring.key(row);
    if (!byKey.has(key)) byKey.set(key, []);
    byKey.get(key).push(row);
  }
  layers = [...byKey].sort((a, b) => a[0] - b[0]);
  const dot = (n) => {
    const mark = el("i");
    mark.style.background = colouring.colour(n);
    return mark;
  };
  $("legend").replaceChildren(...colouring.legend.map(([n, text]) => el("span", {}, dot(n), text)),
    layers.length > colouring.legend.length && colouring.legend.length > 2 ? "and others" : "");
  draw();
}

const scale = () => 0.94 * Math.min(size[0], size[1]) * view.zoom;
const toScreen = (row) => [size[0] / 2 + (c.x[row] / 65535 - view.x) * scale() * stretch(), size[1] / 2 + (c.y[row] / 65535 - view.y) * scale()];
// A wide map fills its width.
const stretch = () => Math.min(1.7, Math.max(1, size[0] / size[1]));
const toMap = (x, y) => [view.x + (x - size[0] / 2) / scale() / stretch(), view.y + (y - size[1] / 2) / scale()];

function resize() {
  const ratio = devicePixelRatio || 1;
  size = [canvas.clientWidth, canvas.clientHeight];
  canvas.width = size[0] * ratio;
  canvas.height = size[1] * ratio;
  draw();
}

let waits = false;
function draw() {
  if (waits) return;
  waits = true;
  requestAnimationFrame(paint);
}

const bitmaps = {};
function bitmap(kind, number) {
  const key = kind + number;
  if (!bitmaps[key]) {
    bitmaps[key] = new Image();
    bitmaps[key].onload = draw;
    bitmaps[key].src = sheetUrl(kind, number);
  }
  return bitmaps[key].complete ? bitmaps[key] : null;
}

function paint() {
  waits = false;
  const context = canvas.getContext("2d");
  const ratio = devicePixelRatio || 1;
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, ...size);
  const dot = Math.min(9, (total > 20000 ? 2 : total > 2000 ? 3.5 : 6) * view.zoom ** 0.4);
  const visible = [];
  for (const [key, rows] of layers) {
    context.fillStyle = colouring.colour(key);
    for (const row of rows) {
      const [x, y] = toScreen(row);
      if (x < -40 || y < -40 || x > size[0] + 40 || y > size[1] + 40) continue;
      visible.push(row);
      if (total > 20000) {
        context.fillRect(x - dot / 2, y - dot / 2, dot, dot);
        continue;
      }
      context.beginPath();
      context.arc(x, y, dot / 2, 0, 7);
      context.fill();
    }
  }
  if (visible.length <= 250 && (view.zoom > 1.5 || total <= 60)) visible.forEach((row) => paintImage(context, row));
  if (chosen >= 0) {
    const [x, y] = toScreen(chosen);
    context.strokeStyle = marked();
    context.lineWidth = 3;
    context.beginPath();
    context.arc(x, y, 12, 0, 7);
    context.stroke();
  }
}

function paintImage(context, row) {
  const at = locate(row);
  const sheet = bitmap(at.kind, at.number);
  if (!sheet) return;
  const [x, y] = toScreen(row);
  const [width, height] = shape(row, 44);
  context.fillStyle = colouring.colour(colouring.key(row));
  context.fillRect(x - width / 2 - 2, y - height / 2 - 2, width + 4, height + 4);
  context.drawImage(sheet, at.column * at.side, at.line * at.side, at.side, at.side, x - width / 2, y - height / 2, width, height);
}

function nearestTo(x, y) {
  const [mapX, mapY] = toMap(x, y);
  const reach = 14;
  const [spanX, spanY] = [reach / scale() / stretch(), reach / scale()].map((span) => Math.ceil(span * GRID));
  let best = -1;
  let least = reach ** 2;
  const column = Math.floor(mapX * GRID);
  const line = Math.floor(mapY * GRID);
  for (let i = Math.max(0, column - spanX); i <= Math.min(GRID - 1, column + spanX); i += 1) {
    for (let j = Math.max(0, line - spanY); j <= Math.min(GRID - 1, line + spanY); j += 1) {
      for (const row of cells.get(i * GRID + j) || []) {
        const [px, py] = toScreen(row);
        const distance = (px - x) ** 2 + (py - y) ** 2;
        if (distance < least) [best, least] = [row, distance];
      }
    }
  }
  return best;
}

function zoom(factor, x = size[0] / 2, y = size[1] / 2) {
  const before = toMap(x, y);
  view.zoom = Math.min(2000, Math.max(0.5, view.zoom * factor));
  const after = toMap(x, y);
  move(before[0] - after[0], before[1] - after[1]);
}

function move(x, y) {
  view.x = Math.min(1.2, Math.max(-0.2, view.x + x));
  view.y = Math.min(1.2, Math.max(-0.2, view.y + y));
  $("tip").hidden = true;
  draw();
}

let pressed = null;
canvas.onpointerdown = (event) => {
  pressed = { x: event.clientX, y: event.clientY, moved: false };
  canvas.setPointerCapture(event.pointerId);
};
canvas.onpointermove = (event) => {
  if (pressed) {
    const [x, y] = [event.clientX - pressed.x, event.clientY - pressed.y];
    if (!pressed.moved && Math.hypot(x, y) < 4) return;
    move(-x / scale() / stretch(), -y / scale());
    pressed = { x: event.clientX, y: event.clientY, moved: true };
    return;
  }
  const row = nearestTo(event.offsetX, event.offsetY);
  $("tip").hidden = row < 0;
  if (row < 0) return;
  $("tip").replaceChildren(picture(row, 128), el("div", {}, data.names[row]), c.label ? el("div", {}, className(c.label[row])) : null);
  const tip = $("tip").getBoundingClientRect();
  $("tip").style.left = `${Math.max(4, Math.min(event.clientX + 14, innerWidth - tip.width - 4))}px`;
  $("tip").style.top = `${event.clientY + 14 + tip.height > innerHeight ? Math.max(4, event.clientY - tip.height - 14) : event.clientY + 14}px`;
};
canvas.onpointerup = (event) => {
  const row = pressed && !pressed.moved ? nearestTo(event.offsetX, event.offsetY) : -1;
  pressed = null;
  if (row >= 0) show(row);
};
canvas.onpointercancel = () => { pressed = null; };
canvas.onpointerleave = () => { $("tip").hidden = true; };
canvas.addEventListener("wheel", (event) => {
  // Without the focus the wheel scrolls the page, as everywhere else.
  if (document.activeElement !== canvas && !event.ctrlKey) return;
  event.preventDefault();
  zoom(1.0015 ** -event.deltaY, event.offsetX, event.offsetY);
}, { passive: false });
canvas.onkeydown = (event) => {
  const step = 60 / scale();
  const keys = {
    "+": () => zoom(1.4), "=": () => zoom(1.4), "-": () => zoom(1 / 1.4), "0": whole,
    ArrowLeft: () => move(-step, 0), ArrowRight: () => move(step, 0), ArrowUp: () => move(0, -step), ArrowDown: () => move(0, step),
  };
  if (!keys[event.key] || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  keys[event.key]();
};
function whole() {
  Object.assign(view, { x: 0.5, y: 0.5, zoom: 1 });
  draw();
}
$("in").onclick = () => zoom(1.6);
$("out").onclick = () => zoom(1 / 1.6);
$("whole").onclick = whole;
$("colour").onchange = recolour;
dark.onchange = recolour;
addEventListener("resize", resize);

// The other sections.

const sections = data.sections;
const navigation = [["search", "Find", null], ["map", "Map", null]];
function section(id, title, number, text, ...children) {
  navigation.push([id, title, number]);
  $("main").append(el("section", { id }, el("h2", {}, title), el("p", {}, text), ...children));
}
function all(shown, number, table) {
  return el("p", { className: "more" }, shown < number ? `The first ${shown.toLocaleString("en")} of ${number.toLocaleString("en")}. ` : "", "All of them: ", el("a", { href: table }, table));
}
function groupBoxes(list, title) {
  return el("div", { className: "groups" }, ...list.map((group, n) => el("div", { className: "group" }, el("h3", {}, title(group, n)), images(group.rows))));
}

section("duplicates", "Duplicates", sections.num_in_groups,
  "Images of a group show the same picture: re-encoded, resized, brighter or darker, mirrored, or cropped by up to about a fifth of each side.",
  groupBoxes(sections.groups, (group) => count(group.count, "image") + (group.count > group.rows.length ? `, of which ${group.rows.length} are shown` : "")),
  all(sections.groups.length, sections.num_groups, "duplicates.csv"));
section("defects", "Defects", sections.defects.reduce((sum, kind) => sum + kind.count, 0),
  "Found by plain statistics of the pixels, the strongest first. The limits are conventions: look before you delete.",
  ...sections.defects.map((kind) => el("div", {}, el("h3", {}, `${kind.title}: ${kind.count.toLocaleString("en")}`),
    kind.count ? el("p", { className: "more" }, kind.value) : null, kind.names ? el("ul", {}, ...kind.names.map((name) => el("li", {}, name))) : images(kind.rows))),
  all(0, 0, "defects.csv"));
section("outliers", "Outliers", null,
  "The images farthest from their ten nearest images: rare, wrong or damaged ones. The number is the mean of 1 - cosine.",
  images(sections.outliers, (row) => c.outlier[row].toFixed(2)), all(sections.outliers.length, data.count, "images.csv"));
section("clusters", "Clusters", sections.clusters.length,
  "Groups of similar images by k-means, large ones first, each with its most typical images.",
  groupBoxes(sections.clusters, (group, n) => `Cluster ${n + 1}: ${count(group.count, "image")}`), all(0, 0, "images.csv"));
section("labelling", "Label these first", sections.num_coreset,
  "Typical images of different kinds, without defects, outliers and second copies. Labels for them teach a classifier more than as many labels for random images.",
  images(sections.coreset, (row) => String(sections.coreset.indexOf(row) + 1)), all(sections.coreset.length, sections.num_coreset, "labelling.csv"));
if (sections.issues) {
  section("labels", "Label mistakes", sections.num_issues,
    "Labels that most of the nearest images contradict, given label first. Many are mistakes of the features, not of the label: look at each.",
    images(sections.issues, (row) => `${className(c.label[row])} → ${className(c.suggested[row])}`), all(sections.issues.length, sections.num_issues, "label_issues.csv"), confusion(sections.confusion));
}
section("measures", "Measures without labels", null, "They warn of collapsed features. They do not rank encoders.",
  el("div", { className: "wide" }, el("table", {}, ...sections.measures.map(([title, value, reading]) => el("tr", {}, el("th", { scope: "row" }, title), el("td", { className: "number" }, value.toPrecision(3)), el("td", {}, reading))))));

function confusion({ classes, counts: matrix, num_left_out: left }) {
  const header = el("tr", {}, el("th", {}, "given \\ neighbours say"), ...classes.map((name) => el("th", { scope: "col", className: "turned" }, el("span", {}, name))));
  const lines = matrix.map((line, i) => {
    const sum = line.reduce((a, b) => a + b, 0);
    return el("tr", {}, el("th", { scope: "row" }, classes[i]), ...line.map((n, j) => {
      const cell = el("td", { className: "number", title: `${classes[i]}, neighbours say ${classes[j]}: ${n}` }, n ? n.toLocaleString("en") : "·");
      const share = n / Math.max(1, sum);
      cell.style.background = `color-mix(in srgb, ${i === j ? "#2f81f7" : "#e5534b"} ${Math.round(Math.min(60, i === j ? 45 * share : 200 * share))}%, transparent)`;
      return cell;
    }));
  });
  return el("div", {}, el("h3", {}, "Confusion of classes"), el("p", { className: "more" }, left ? `The ${classes.length} most frequent classes; ${left} others are in confusion.csv.` : ""), el("div", { className: "wide" }, el("table", {}, header, ...lines)));
}

$("nav").append(...navigation.map(([id, title, number]) => el("a", { href: `#${id}` }, title, number === null ? "" : el("small", {}, ` ${number.toLocaleString("en")}`))));
$("about").append(`${data.source}: ${count(data.count, "image")}${total < data.count ? `, of which ${total.toLocaleString("en")} are on this page` : ""}. Encoder ${data.encoder || "not named"}, ${data.width.toLocaleString("en")} features. ${data.shown}`);
$("footer").append(`Made by keras-dim ${data.version}. Tables beside this page: ${data.tables.join(", ")}${data.parquet ? ", and the same as Parquet" : ""}.${data.folder ? ` Names are below ${data.folder}.` : ""}`);
document.title = `Image report: ${data.source}`;
resize();
recolour();
