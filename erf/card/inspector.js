"use strict";
// The inspector of maps. How their values are packed: see Pack in erf/card/inspector.py.

const DECADES = 4; // of the logarithmic scale, below the peak
const SPARED = 3; // last bits of a float16, which are not kept
// MAGMA is what the page has: see erf/card/png.py
const COLOURS = MAGMA.map(hex => [0, 2, 4].map(at => parseInt(hex.slice(at, at + 2), 16)));

function colour(share) {
  const place = Math.min(Math.max(share, 0), 1) * (COLOURS.length - 1);
  const below = Math.min(Math.floor(place), COLOURS.length - 2);
  return COLOURS[below].map((low, channel) => low + (COLOURS[below + 1][channel] - low) * (place - below));
}

function fromHalf(bits) {
  const sign = bits & 0x8000 ? -1 : 1, exponent = bits >> 10 & 31, fraction = bits & 1023;
  return sign * (exponent ? 2 ** (exponent - 15) * (1 + fraction / 1024) : 2 ** -14 * fraction / 1024);
}

async function unpack(base64) {
  const bytes = Uint8Array.from(atob(base64), letter => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  const packed = new Uint8Array(await new Response(stream).arrayBuffer()), count = packed.length / 2;
  return Float64Array.from({length: count}, (_, at) => fromHalf((packed[at] << 8 | packed[count + at]) << SPARED));
}

function heightOf(value, log) {
  if (!log) return Math.max(value, 0);
  return value > 0 ? Math.max(1 + Math.log10(value) / DECADES, 0) : 0;
}

function written(value) {
  if (value === 0) return "0";
  return Math.abs(value) < 1e-3 ? value.toExponential(2) : value.toPrecision(3);
}

class Inspector {
  constructor(root, pack, values) {
    this.root = root;
    this.maps = pack.maps;
    this.values = values;
    for (const name of ["which", "beside", "shared", "log", "contour", "box", "readout", "map", "twin", "captions", "bar",
      "across", "down", "note", "low", "unit", "other"]) this[name] = root.querySelector("." + name);
    this.which.addEventListener("change", () => this.choose());
    for (const control of [this.beside, this.shared, this.log, this.contour, this.box])
      control.addEventListener("change", () => this.draw());
    for (const canvas of [this.map, this.twin]) {
      for (const event of ["pointermove", "pointerdown"]) canvas.addEventListener(event, e => this.point(e));
      canvas.addEventListener("keydown", e => this.step(e));
    }
    new ResizeObserver(() => this.draw()).observe(this.map);
    this.choose();
  }

  choose() {
    this.shown = this.maps[this.which.selectedIndex];
    const {rows, columns, contour, box, note, peak, block} = this.shown;
    this.row = rows >> 1;
    this.column = columns >> 1;
    this.contour.disabled = !contour;
    this.box.disabled = !box;
    const comparable = this.maps.filter(one => one !== this.shown && one.rows === rows && one.columns === columns);
    this.beside.replaceChildren(new Option("nothing"), ...comparable.map(one => new Option(one.name, one.key)));
    this.beside.value = this.shown.beside || "nothing";
    this.beside.disabled = !comparable.length;
    const said = contour ? [`Gaussian fit: r² = ${contour.r_squared}`] : [];
    if (box) said.push(`TRF ${box[1] - box[0]} x ${box[3] - box[2]} pixels`);
    if (note) said.push(note);
    said.push(`the peak's value is ${written(peak)}`);
    const each = block > 1 ? `, each the mean of ${block} x ${block} of the image` : "";
    this.note.textContent = `${rows} x ${columns} pixels${each}. ${said.join("; ")}.`;
    for (const canvas of [this.map, this.twin]) canvas.style.aspectRatio = `${columns} / ${rows}`;
    this.draw();
  }

  // Over the map's own peak or, on one scale, over the larger of both maps' peaks.
  at(shown, row, column) {
    return this.factor(shown) * this.values[shown.first + row * shown.columns + column];
  }

  factor(shown) {
    const {peak} = this.second() || shown;
    return this.shared.checked ? shown.peak / Math.max(this.shown.peak, peak) : 1;
  }

  // Which pixels of the image one of the map stands for.
  pixels(at) {
    const {block} = this.shown;
    return block > 1 ? `${at * block}-${(at + 1) * block - 1}` : at;
  }

  unitText() {
    return `influence / ${this.shared.checked && this.second() ? "larger peak" : "peak"}`;
  }

  second() {
    return this.maps.find(other => other.key === this.beside.value);
  }

  point(event) {
    const frame = event.currentTarget.getBoundingClientRect(), {rows, columns} = this.shown;
    const place = (share, count) => Math.min(Math.max(Math.floor(share * count), 0), count - 1);
    this.column = place((event.clientX - frame.left) / frame.width, columns);
    this.row = place((event.clientY - frame.top) / frame.height, rows);
    this.draw();
  }

  step(event) {
    const move = {ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1]}[event.key];
    if (!move) return;
    event.preventDefault();
    this.row = Math.min(Math.max(this.row + move[0], 0), this.shown.rows - 1);
    this.column = Math.min(Math.max(this.column + move[1], 0), this.shown.columns - 1);
    this.draw();
  }

  draw() {
    const {rows, columns} = this.shown, second = this.second();
    this.shared.disabled = !second;
    this.twin.hidden = this.other.hidden = !second;
    this.captions.textContent = second ? `left: ${this.shown.name}, right: ${second.name}` : this.shown.name;
    this.read();
    this.paint(this.map, this.shown);
    if (second) this.paint(this.twin, second);
    const along = (count, pixel) => shown => Array.from({length: count}, (_, at) => this.at(shown, ...pixel(at)));
    this.profile(this.across, `row ${this.pixels(this.row)}: column (pixels)`, this.column, along(columns, at => [this.row, at]));
    this.profile(this.down, `column ${this.pixels(this.column)}: row (pixels)`, this.row, along(rows, at => [at, this.column]));
    this.scale();
  }

  read() {
    const second = this.second(), {row, column} = this;
    const peak = this.shared.checked && second ? "the larger peak" : "the peak";
    let said = `row ${this.pixels(row)}, column ${this.pixels(column)}: ${written(this.at(this.shown, row, column))} of ${peak}`;
    if (second) said += `; ${second.name} ${written(this.at(second, row, column))}`;
    this.readout.textContent = said;
  }

  paint(canvas, {rows, columns, first, contour, box, block, ...shown}) {
    const small = new OffscreenCanvas(columns, rows), pixels = new ImageData(columns, rows), factor = this.factor(shown);
    for (let at = 0; at < rows * columns; at++)
      pixels.data.set([...colour(heightOf(factor * this.values[first + at], this.log.checked)), 255], 4 * at);
    small.getContext("2d").putImageData(pixels, 0, 0);
    const zoom = Math.max(canvas.clientWidth * devicePixelRatio / columns, 0.1);
    canvas.width = Math.round(columns * zoom);
    canvas.height = Math.round(rows * zoom);
    const pen = canvas.getContext("2d");
    pen.imageSmoothingEnabled = false;
    pen.drawImage(small, 0, 0, canvas.width, canvas.height);
    pen.lineWidth = 1.5 * devicePixelRatio;
    if (contour && this.contour.checked) this.ellipse(pen, zoom / block, contour);
    if (box && this.box.checked) this.rectangle(pen, zoom / block, box);
    this.cross(pen, zoom);
  }

  cross(pen, zoom) {
    pen.setLineDash([]);
    pen.lineWidth = devicePixelRatio;
    pen.strokeStyle = "#ffffff80";
    for (const [x, y, across, down] of [[0, this.row + .5, this.shown.columns, 0], [this.column + .5, 0, 0, this.shown.rows]]) {
      pen.beginPath();
      pen.moveTo(x * zoom, y * zoom);
      pen.lineTo((x + across) * zoom, (y + down) * zoom);
      pen.stroke();
    }
  }

  ellipse(pen, zoom, {row, column, radii, degrees}) {
    pen.strokeStyle = "#56B4E9";
    pen.beginPath();
    pen.ellipse((column + .5) * zoom, (row + .5) * zoom, radii[0] * zoom, radii[1] * zoom, degrees * Math.PI / 180, 0, 7);
    pen.stroke();
  }

  rectangle(pen, zoom, [top, bottom, left, right]) {
    const inset = pen.lineWidth / 2;
    pen.strokeStyle = "#ffffff";
    pen.setLineDash([6 * devicePixelRatio, 4 * devicePixelRatio]);
    pen.strokeRect(left * zoom + inset, top * zoom + inset, (right - left) * zoom - 2 * inset,
      (bottom - top) * zoom - 2 * inset);
  }

  profile(svg, name, here, values) {
    const [width, height, left, bottom, top] = [420, 164, 44, 36, 22], second = this.second(), log = this.log.checked;
    const mine = values(this.shown), x = at => left + at / (mine.length - 1) * (width - left - 8);
    const y = value => top + (1 - Math.min(heightOf(value, log), 1)) * (height - top - bottom);
    const path = all => all.map((value, at) => `${at ? "L" : "M"}${x(at).toFixed(1)} ${y(value).toFixed(1)}`).join("");
    const ticks = log ? [["1", 1], [`1e-${DECADES}`, 0]] : [["1", 1], ["0", 0]];
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    svg.innerHTML = `<path class="axis" d="M${left} ${top}V${height - bottom}H${width - 8}"/>
      <path class="axis here" d="M${x(here)} ${top}V${height - bottom}"/>
      ${second ? `<path class="line second" d="${path(values(second))}"/>` : ""}<path class="line" d="${path(mine)}"/>
      ${ticks.map(([text, value]) => `<text x="${left - 5}" y="${y(value) + 4}" text-anchor="end">${text}</text>`).join("")}
      <text x="${left}" y="${height - bottom + 14}">0</text>
      <text x="${width - 8}" y="${height - bottom + 14}" text-anchor="end">${mine.length * this.shown.block - 1}</text>
      <text x="${(left + width) / 2}" y="${height - bottom + 31}" text-anchor="middle">${name}</text>
      <text x="0" y="13">${this.unitText()}</text>`;
  }

  scale() {
    const pen = this.bar.getContext("2d"), pixels = pen.createImageData(256, 1);
    for (let at = 0; at < 256; at++) pixels.data.set([...colour(at / 255), 255], 4 * at);
    pen.putImageData(pixels, 0, 0);
    this.unit.textContent = this.unitText();
    this.low.textContent = this.log.checked ? `1e-${DECADES} and less` : "0";
  }
}

async function start(root) {
  const pack = JSON.parse(root.querySelector("script").textContent);
  root.inspector = new Inspector(root, pack, await unpack(pack.values));
  root.dataset.ready = "true";
}

// Maps are unpacked when they come near the screen.
const near = new IntersectionObserver(entries => {
  for (const {isIntersecting, target} of entries)
    if (isIntersecting) { near.unobserve(target); start(target); }
}, {rootMargin: "400px"});
for (const root of document.querySelectorAll(".inspector")) near.observe(root);
