// A chart of values over a rising x: drawn as SVG from the smallest and the largest value of each pixel column, so that 100,000 frames
// are one path of a screen's width and no spike is lost. It is a slider to the keyboard: arrows move the cursor, + and - zoom.

const plotHeight = 230;
const margin = { left: 62, right: 10, top: 12, bottom: 22 };

/** The first index whose x is at least the given one. */
function indexAt(xs, x) {
  let low = 0;
  let high = xs.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (xs[middle] < x) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

/** Round values from 0 to at least the largest, in steps of 1, 2 or 5; of bytes in steps of their unit. */
function roundTicks(from, to, count, isBytes) {
  const unit = isBytes ? 1024 ** Math.max(0, Math.floor(Math.log(Math.max(1, to)) / Math.log(1024))) : 1;
  const rough = (to - from) / unit / count || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = unit * power * [1, 2, 5, 10].find((factor) => factor * power >= rough * 0.999);
  const ticks = [];
  for (let tick = Math.ceil(from / step) * step; tick <= to; tick += step) {
    ticks.push(tick);
  }
  return ticks;
}

class Chart {
  /**
   * options: label; xs, rising; series: [{ name, values, colour, kind }]; text(y), xText(x), describe(index);
   * marks: indexes drawn as hitches; guides: [{ value, text }]; logarithmic; isBytes; isStepped: nothing is known between two values.
   */
  constructor(options) {
    this.options = options;
    this.cursor = -1;
    this.view = [options.xs[0], options.xs.at(-1)];
    this.picture = shape("svg", { height: plotHeight, "aria-hidden": "true" });
    this.readout = element("output", { class: "readout" });
    this.plot = element("div", {
      class: "plot", tabindex: "0", role: "slider", "aria-label": options.label,
      "aria-valuemin": "0", "aria-valuemax": String(options.xs.length - 1), "aria-valuenow": "0", "aria-valuetext": "arrow keys move the cursor, plus and minus zoom",
      onkeydown: (event) => this.onKey(event),
      onpointermove: (event) => this.onPointerMove(event),
      onpointerdown: (event) => this.onPointerDown(event),
      onpointerup: () => this.onPointerUp(),
      ondblclick: () => this.show(options.xs[0], options.xs.at(-1)),
    }, this.picture);
    this.buttons = [["−", "Zoom out", () => this.zoom(2)], ["+", "Zoom in", () => this.zoom(0.5)], ["All", "Show everything", () => this.show(options.xs[0], options.xs.at(-1))]]
      .map(([text, title, onclick]) => element("button", { type: "button", title, "aria-label": `${title}: ${options.label}`, onclick }, text));
    new ResizeObserver(() => this.draw()).observe(this.plot);
    this.draw();
    this.readout.textContent = options.hint ?? "";
  }

  get width() {
    return Math.max(200, this.plot.clientWidth || 900);
  }

  /** The scales of the view: pixels of an x and of a value. */
  scales() {
    const { xs, series, logarithmic } = this.options;
    const [from, to] = [indexAt(xs, this.view[0]), Math.min(xs.length, indexAt(xs, this.view[1]) + 1)];
    let top = 1;
    let bottom = Infinity;
    for (const { values, hidden } of series) {
      for (let index = from; index < to && !hidden; index++) {
        top = Math.max(top, values[index]);
        bottom = Math.min(bottom, values[index]);
      }
    }
    const low = logarithmic ? 10 ** Math.floor(Math.log10(Math.max(1, bottom))) : Math.min(0, bottom);
    const high = top * 1.04;
    const [inner, tall] = [this.width - margin.left - margin.right, plotHeight - margin.top - margin.bottom];
    const span = this.view[1] - this.view[0] || 1;
    const share = logarithmic
      ? (value) => Math.log(Math.max(low, value) / low) / Math.log(high / low)
      : (value) => (value - low) / (high - low);
    return {
      from, to, low, high, inner,
      x: (x) => margin.left + inner * (x - this.view[0]) / span,
      y: (value) => margin.top + tall * (1 - share(value)),
      xOf: (pixels) => this.view[0] + span * (pixels - margin.left) / inner,
    };
  }

  draw() {
    const scales = this.scales();
    this.drawn = scales;
    this.picture.setAttribute("viewBox", `0 0 ${this.width} ${plotHeight}`);
    this.picture.replaceChildren(
      ...this.gridShapes(scales),
      ...this.options.series.filter((series) => !series.hidden).map((series) => this.seriesShape(series, scales)),
      ...this.markShapes(scales), ...this.guideShapes(scales), this.cursorShapes = shape("g"), this.selection = shape("rect", { class: "selection", y: margin.top, height: plotHeight - margin.top - margin.bottom, width: 0 }));
    this.drawCursor();
  }

  gridShapes({ low, high, x, y }) {
    const { logarithmic, isBytes, text, xText } = this.options;
    const shapes = [];
    const rows = logarithmic
      ? Array.from({ length: Math.floor(Math.log10(high / low) + 1e-9) + 1 }, (_, power) => low * 10 ** power)
      : roundTicks(low, high, 4, isBytes);
    for (const value of rows) {
      shapes.push(
        shape("line", { class: "grid", x1: margin.left, x2: this.width - margin.right, y1: y(value), y2: y(value) }),
        shape("text", { class: "tick", x: margin.left - 8, y: y(value) + 4, "text-anchor": "end" }, text(value)));
    }
    for (const value of roundTicks(this.view[0], this.view[1], Math.max(2, this.width / 160), false)) {
      shapes.push(shape("text", { class: "tick", x: x(value), y: plotHeight - 4, "text-anchor": "middle" }, xText(value)));
    }
    return shapes;
  }

  guideShapes({ low, high, y }) {
    const room = 13;
    const guides = [];
    for (const guide of this.options.guides ?? []) {
      const isClear = guides.every(({ value }) => Math.abs(y(value) - y(guide.value)) >= room);
      if (guide.value >= low && guide.value <= high && isClear) {
        guides.push(guide);
      }
    }
    return guides.flatMap(({ value, text }) => [
      shape("line", { class: "guide", x1: margin.left, x2: this.width - margin.right, y1: y(value), y2: y(value) }),
      shape("text", { class: "guide-text", x: this.width - margin.right - 2, y: y(value) - 3 }, text),
    ]);
  }

  /** One path: through all points where each has a pixel of its own, else through the smallest and largest of each pixel column. */
  seriesShape({ values, colour, name, kind = "" }, { from, to, inner, x, y }) {
    const { xs, isStepped } = this.options;
    const points = [];
    if (to - from <= 2 * inner) {
      for (let index = from; index < to; index++) {
        if (isStepped && index > from) {
          points.push(`${x(xs[index]).toFixed(1)},${y(values[index - 1]).toFixed(1)}`);
        }
        points.push(`${x(xs[index]).toFixed(1)},${y(values[index]).toFixed(1)}`);
      }
    } else {
      for (let index = from; index < to;) {
        const column = Math.round(x(xs[index]));
        let [low, high] = [values[index], values[index]];
        for (; index < to && Math.round(x(xs[index])) === column; index++) {
          low = Math.min(low, values[index]);
          high = Math.max(high, values[index]);
        }
        points.push(`${column},${y(low).toFixed(1)}`, `${column},${y(high).toFixed(1)}`);
      }
    }
    const path = shape("path", { class: `series ${kind}`, d: `M${points.join("L")}`, "data-name": name });
    path.style.setProperty("--stroke", colour);
    return path;
  }

  /** Of marks that would cover each other, the highest. */
  markShapes({ from, to, x, y }) {
    const { xs, marks = [], series } = this.options;
    const [{ values }] = series;
    const room = 6;
    const highest = new Map();
    for (const index of marks) {
      const place = Math.round(x(xs[index]) / room);
      if (index >= from && index < to && !(values[highest.get(place)] > values[index])) {
        highest.set(place, index);
      }
    }
    return [...highest.values()].map((index) =>
      shape("path", { class: "mark", d: `M${x(xs[index]).toFixed(1)},${(y(values[index]) - 4).toFixed(1)}l-4,-7h8z` }));
  }

  drawCursor() {
    const { xs, series } = this.options;
    if (this.cursor < 0) {
      return;
    }
    const { x, y } = this.drawn;
    const at = x(xs[this.cursor]);
    const isSeen = at >= margin.left - 1 && at <= this.width - margin.right + 1;
    this.cursorShapes.replaceChildren(...isSeen ? [
      shape("line", { class: "cursor", x1: at, x2: at, y1: margin.top, y2: plotHeight - margin.bottom }),
      ...series.filter(({ hidden }) => !hidden).map(({ values }) => shape("circle", { class: "cursor-dot", cx: at, cy: y(values[this.cursor]), r: 3 })),
    ] : []);
  }

  /** Moves the cursor, and the view along with it. */
  moveTo(index) {
    const { xs, describe } = this.options;
    this.cursor = Math.max(0, Math.min(xs.length - 1, index));
    const [from, to] = this.view;
    const x = xs[this.cursor];
    if (x < from || x > to) {
      this.show(x - (to - from) / 2, x + (to - from) / 2);
    }
    const text = describe(this.cursor);
    this.readout.textContent = text;
    this.plot.setAttribute("aria-valuenow", String(this.cursor));
    this.plot.setAttribute("aria-valuetext", text);
    this.drawCursor();
  }

  show(from, to) {
    const { xs } = this.options;
    const [first, last] = [xs[0], xs.at(-1)];
    const span = Math.min(last - first, Math.max(to - from, (last - first) / xs.length * 8));
    const begin = Math.max(first, Math.min(last - span, from));
    this.view = [begin, begin + span];
    this.draw();
  }

  zoom(factor) {
    const [from, to] = this.view;
    const centre = this.cursor >= 0 ? this.options.xs[this.cursor] : (from + to) / 2;
    const span = (to - from) * factor;
    this.show(centre - span / 2, centre + span / 2);
  }

  /** The next mark in a direction, for page up and page down. */
  nextMark(direction) {
    const marks = this.options.marks ?? [];
    return (direction > 0 ? marks.find((index) => index > this.cursor) : marks.findLast((index) => index < this.cursor)) ?? this.cursor;
  }

  onKey(event) {
    const { xs } = this.options;
    const { from, to, inner } = this.drawn;
    const step = Math.max(1, Math.round((to - from) / inner)) * (event.shiftKey ? 10 : 1);
    const at = Math.max(0, this.cursor);
    const moves = {
      ArrowLeft: () => this.moveTo(at - step),
      ArrowRight: () => this.moveTo(this.cursor < 0 ? from : at + step),
      PageUp: () => this.moveTo(this.nextMark(-1)),
      PageDown: () => this.moveTo(this.nextMark(1)),
      Home: () => this.moveTo(0),
      End: () => this.moveTo(xs.length - 1),
      "+": () => this.zoom(0.5),
      "=": () => this.zoom(0.5),
      "-": () => this.zoom(2),
      "0": () => this.show(xs[0], xs.at(-1)),
      Escape: () => this.show(xs[0], xs.at(-1)),
    };
    if (moves[event.key] && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      moves[event.key]();
    }
  }

  pixelOf(event) {
    return event.clientX - this.plot.getBoundingClientRect().left;
  }

  onPointerDown(event) {
    this.dragFrom = this.pixelOf(event);
    this.plot.setPointerCapture(event.pointerId);
  }

  onPointerMove(event) {
    const { xs } = this.options;
    const x = this.drawn.xOf(this.pixelOf(event));
    const right = Math.min(xs.length - 1, indexAt(xs, x));
    this.moveTo(right > 0 && x - xs[right - 1] < xs[right] - x ? right - 1 : right);
    if (this.dragFrom !== undefined) {
      this.dragTo = this.pixelOf(event);
      this.selection.setAttribute("x", String(Math.min(this.dragFrom, this.dragTo)));
      this.selection.setAttribute("width", String(Math.abs(this.dragFrom - this.dragTo)));
    }
  }

  onPointerUp() {
    const [from, to] = [this.dragFrom, this.dragTo].sort((a, b) => a - b);
    this.dragFrom = this.dragTo = undefined;
    this.selection.setAttribute("width", "0");
    if (to - from > 4) {
      this.show(this.drawn.xOf(from), this.drawn.xOf(to));
    }
  }
}
