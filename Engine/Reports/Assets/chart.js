// A chart of values over a rising x: drawn as SVG from the smallest and the largest value of each pixel column, so that 100,000 frames
// are one path of a screen's width and no spike is lost. It is a slider to the keyboard: arrows move the cursor, W and S or + and - zoom.

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
   * options: label; xs, rising; axis, shared with other charts; series: [{ name, values, colour, kind }]; text(y), xText(x, step of the marks),
   * describe(index); open(index), what Enter and a click do; marks: indexes drawn as hitches; guides: [{ value, text }];
   * logarithmic; isBytes; isStepped: nothing is known between two values; isApart(index): nothing was between it and the one before.
   */
  constructor(options) {
    const { xs } = options;
    this.options = options;
    this.axis = options.axis ?? new Axis(xs[0], xs.at(-1), (xs.at(-1) - xs[0]) / xs.length * 8);
    this.cursor = -1;
    this.opened = -1;
    this.picture = shape("svg", { height: plotHeight, "aria-hidden": "true" });
    this.readout = element("output", { class: "readout" });
    this.plot = element("div", {
      class: "plot", tabindex: "0", role: "slider", "aria-label": options.label,
      "aria-valuemin": "0", "aria-valuemax": String(xs.length - 1), "aria-valuenow": "0", "aria-valuetext": "arrow keys move the cursor, W and S zoom, A and D move along",
      onkeydown: (event) => this.onKey(event),
      onwheel: (event) => this.onWheel(event),
      onpointermove: (event) => this.onPointerMove(event),
      onpointerdown: (event) => this.onPointerDown(event),
      onpointerup: () => this.onPointerUp(),
      onpointercancel: () => { this.dragFrom = undefined; },
      ondblclick: () => this.axis.showAll(),
    }, this.picture);
    this.buttons = [["−", "Zoom out", () => this.axis.zoom(2)], ["+", "Zoom in", () => this.axis.zoom(0.5)], ["All", "All, unzoomed", () => this.axis.showAll()]]
      .map(([text, title, onclick]) => element("button", { type: "button", title, "aria-label": `${title}: ${options.label}`, onclick }, text));
    this.buttons.push(...downloadButtons(options.label, () => this.picture, options.csv));
    this.axis.add(this);
    redrawWithWidth(this.plot, () => this.draw());
    this.draw();
    this.readout.textContent = options.hint ?? "";
  }

  get width() {
    return widthOf(this.plot);
  }

  /** The scales of the view: pixels of an x and of a value. The points just outside are drawn, too, and cut off. */
  scales() {
    const { xs, series, logarithmic } = this.options;
    const { view } = this.axis;
    const [from, to] = [Math.max(0, indexAt(xs, view[0]) - 1), Math.min(xs.length, indexAt(xs, view[1]) + 1)];
    let top = 1;
    let bottom = Infinity;
    for (const { values, hidden } of series) {
      for (let index = from; index < to && !hidden; index++) {
        top = Math.max(top, values[index]);
        bottom = Math.min(bottom, values[index]);
      }
    }
    const low = logarithmic ? 10 ** Math.floor(Math.log10(Math.max(1, Number.isFinite(bottom) ? bottom : 1))) : Math.min(0, bottom);
    const high = top * 1.04;
    const [inner, tall] = [this.width - margin.left - margin.right, plotHeight - margin.top - margin.bottom];
    const span = view[1] - view[0] || 1;
    const share = logarithmic
      ? (value) => Math.log(Math.max(low, value) / low) / Math.log(high / low)
      : (value) => (value - low) / (high - low);
    return {
      from, to, low, high, inner,
      x: (x) => margin.left + inner * (x - view[0]) / span,
      y: (value) => margin.top + tall * (1 - share(value)),
      xOf: (pixels) => view[0] + span * (pixels - margin.left) / inner,
    };
  }

  draw() {
    const scales = this.scales();
    this.drawn = scales;
    this.picture.setAttribute("viewBox", `0 0 ${this.width} ${plotHeight}`);
    this.picture.replaceChildren(
      ...this.gridShapes(scales),
      shape("svg", { class: "cut", x: margin.left, width: scales.inner, height: plotHeight, viewBox: `${margin.left} 0 ${scales.inner} ${plotHeight}` },
        ...this.options.series.filter((series) => !series.hidden).map((series) => this.seriesShape(series, scales)),
        ...selectionShapes(this.axis, scales.x, plotHeight), this.drag = shape("rect", { class: "selection", y: margin.top, height: plotHeight - margin.top - margin.bottom, width: 0 })),
      ...this.markShapes(scales), ...this.guideShapes(scales), this.cursorShapes = shape("g"));
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
    const columns = roundTicks(...this.axis.view, Math.max(2, this.width / 160), false);
    const step = columns.length > 1 ? columns[1] - columns[0] : this.axis.view[1] - this.axis.view[0] || 1;
    for (const value of columns) {
      shapes.push(shape("text", { class: "tick", x: x(value), y: plotHeight - 4, "text-anchor": "middle" }, xText(value, step)));
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

  /**
   * One path: through all points where each has a pixel of its own, else through the smallest and largest of each pixel column. It
   * begins anew where the options say that nothing lies between two points.
   */
  seriesShape({ values, colour, name, kind = "" }, { from, to, inner, x, y }) {
    const { xs, isStepped, isApart = () => false } = this.options;
    let d = "";
    const add = (across, value, begins) => {
      d += `${begins || d === "" ? "M" : "L"}${across},${y(value).toFixed(1)}`;
    };
    if (to - from <= 2 * inner) {
      for (let index = from; index < to; index++) {
        const across = x(xs[index]).toFixed(1);
        if (isStepped && index > from) {
          add(across, values[index - 1]);
        }
        add(across, values[index], isApart(index));
      }
    } else {
      for (let index = from; index < to;) {
        const column = Math.round(x(xs[index]));
        const begins = isApart(index);
        let [low, high] = [values[index], values[index]];
        for (; index < to && Math.round(x(xs[index])) === column; index++) {
          low = Math.min(low, values[index]);
          high = Math.max(high, values[index]);
        }
        add(column, low, begins);
        add(column, high);
      }
    }
    const path = shape("path", { class: `series ${kind}`, d, "data-name": name });
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
    const { x, y } = this.drawn;
    const line = (at, kind) => at >= margin.left - 1 && at <= this.width - margin.right + 1
      ? [shape("line", { class: kind, x1: at, x2: at, y1: margin.top, y2: plotHeight - margin.bottom })] : [];
    const pointed = this.cursor >= 0 && xs[this.cursor] === this.axis.cursor;
    const at = x(pointed ? xs[this.cursor] : this.axis.cursor);
    const cursor = this.axis.cursor === undefined ? [] : line(at, "cursor");
    this.cursorShapes.replaceChildren(
      ...this.opened >= 0 ? line(x(xs[this.opened]), "opened") : [], ...cursor,
      ...pointed && cursor.length > 0 ? series.filter(({ hidden }) => !hidden).map(({ values }) => shape("circle", { class: "cursor-dot", cx: at, cy: y(values[this.cursor]), r: 3 })) : []);
  }

  /** Moves the cursor, and the view along with it. */
  moveTo(index) {
    const { xs, describe } = this.options;
    this.cursor = Math.max(0, Math.min(xs.length - 1, index));
    const [from, to] = this.axis.view;
    const x = xs[this.cursor];
    if (x < from || x > to) {
      this.axis.show(x - (to - from) / 2, x + (to - from) / 2);
    }
    const text = describe(this.cursor);
    this.readout.textContent = text;
    this.plot.setAttribute("aria-valuenow", String(this.cursor));
    this.plot.setAttribute("aria-valuetext", text);
    this.axis.point(x);
  }

  /** Opens what the cursor is at. */
  open(index) {
    if (this.options.open && index >= 0) {
      this.options.open(index);
    }
  }

  /** The next mark in a direction, for page up and page down. */
  nextMark(direction) {
    const marks = this.options.marks ?? [];
    return (direction > 0 ? marks.find((index) => index > this.cursor) : marks.findLast((index) => index < this.cursor)) ?? this.cursor;
  }

  /** The range from the cursor to the end of the selection that it does not replace. */
  selectTo(isBegin) {
    const x = this.options.xs[Math.max(0, this.cursor)];
    const [from, to] = this.axis.selection ?? [x, x];
    this.axis.select(isBegin ? [x, Math.max(x, to)] : [Math.min(x, from), x]);
  }

  escape() {
    if (this.axis.selection) {
      this.axis.select();
    } else {
      this.axis.showAll();
    }
  }

  onKey(event) {
    const { xs } = this.options;
    const { from, to, inner } = this.drawn;
    const step = Math.max(1, Math.round((to - from) / inner)) * (event.shiftKey ? 10 : 1);
    const at = Math.max(0, this.cursor);
    const moves = {
      ArrowLeft: () => this.moveTo(at - step),
      ArrowRight: () => this.moveTo(this.cursor < 0 ? indexAt(xs, this.axis.view[0]) : at + step),
      PageUp: () => this.moveTo(this.nextMark(-1)),
      PageDown: () => this.moveTo(this.nextMark(1)),
      Home: () => this.moveTo(0),
      End: () => this.moveTo(xs.length - 1),
      Enter: () => this.open(this.cursor),
      "[": () => this.selectTo(true),
      "]": () => this.selectTo(false),
      "0": () => this.axis.showAll(),
      Escape: () => this.escape(),
      ...axisKeys(this.axis),
    };
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (moves[key] && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      moves[key]();
    }
  }

  /** The wheel scrolls the page, unless the chart has the focus or the control key is held. */
  onWheel(event) {
    if (document.activeElement !== this.plot && !event.ctrlKey && !event.metaKey) {
      return;
    }
    event.preventDefault();
    if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
      this.axis.pan((event.deltaX || event.deltaY) / 1000);
    } else {
      this.axis.zoom(2 ** (event.deltaY / 240), this.drawn.xOf(this.pixelOf(event)));
    }
  }

  pixelOf(event) {
    return event.clientX - this.plot.getBoundingClientRect().left;
  }

  onPointerDown(event) {
    if (event.button === 0) {
      this.pointAt(event);
      this.dragFrom = this.dragTo = this.pixelOf(event);
      this.plot.setPointerCapture(event.pointerId);
    }
  }

  pointAt(event) {
    const { xs } = this.options;
    const x = Math.max(this.axis.view[0], Math.min(this.axis.view[1], this.drawn.xOf(this.pixelOf(event))));
    const right = Math.min(xs.length - 1, indexAt(xs, x));
    this.moveTo(right > 0 && x - xs[right - 1] < xs[right] - x ? right - 1 : right);
  }

  onPointerMove(event) {
    this.pointAt(event);
    if (this.dragFrom !== undefined) {
      this.dragTo = this.pixelOf(event);
      this.drag.setAttribute("x", String(Math.min(this.dragFrom, this.dragTo)));
      this.drag.setAttribute("width", String(Math.abs(this.dragFrom - this.dragTo)));
    }
  }

  /** A drag selects, a click opens. */
  onPointerUp() {
    const [from, to] = [this.dragFrom, this.dragTo];
    this.dragFrom = undefined;
    if (from === undefined) {
      return;
    }
    this.drag.setAttribute("width", "0");
    if (Math.abs(to - from) > 4) {
      this.axis.select([this.drawn.xOf(from), this.drawn.xOf(to)]);
    } else {
      this.open(this.cursor);
    }
  }
}

/** The keys that games and trace viewers have. */
const axisKeys = (axis) => ({
  w: () => axis.zoom(0.5), s: () => axis.zoom(2), a: () => axis.pan(-0.25), d: () => axis.pan(0.25),
  "+": () => axis.zoom(0.5), "=": () => axis.zoom(0.5), "-": () => axis.zoom(2),
});

/** The selection of an axis in a picture. */
function selectionShapes({ selection }, x, height) {
  return selection ? [shape("rect", { class: "selection", x: x(selection[0]), width: Math.max(1, x(selection[1]) - x(selection[0])), y: margin.top, height: height - margin.top - margin.bottom })] : [];
}
