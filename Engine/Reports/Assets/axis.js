// An x axis: the part of it that is seen, the range that is selected and the place that is pointed at. Charts that share one are
// zoomed, selected and pointed at together.

class Axis {
  constructor(first, last, leastSpan) {
    [this.first, this.last, this.leastSpan] = [first, last, leastSpan];
    this.view = [first, last];
    this.selection = undefined;
    this.cursor = undefined;
    this.views = [];
    this.listeners = [];
  }

  /** A view has draw() and drawCursor(). */
  add(view) {
    this.views.push(view);
  }

  /** Calls back when what is seen or selected has changed. */
  onChange(listener) {
    this.listeners.push(listener);
  }

  changed() {
    this.views.forEach((view) => view.draw());
    this.listeners.forEach((listener) => listener());
  }

  /** Shows a part, as far as there is an axis. */
  show(from, to) {
    const span = Math.min(this.last - this.first, Math.max(to - from, this.leastSpan));
    const begin = Math.max(this.first, Math.min(this.last - span, from + (to - from - span) / 2));
    this.view = [begin, begin + span];
    this.changed();
  }

  showAll() {
    this.show(this.first, this.last);
  }

  /** Makes the span so many times as long; the centre keeps its place. */
  zoom(factor, centre = this.centre) {
    const [from, to] = this.view;
    const at = Math.max(from, Math.min(to, centre));
    this.show(at - (at - from) * factor, at + (to - at) * factor);
  }

  get centre() {
    const [from, to] = this.view;
    return this.cursor >= from && this.cursor <= to ? this.cursor : (from + to) / 2;
  }

  /** Moves along by a share of the span. */
  pan(share) {
    const [from, to] = this.view;
    this.show(from + (to - from) * share, to + (to - from) * share);
  }

  /** Selects a range; without one, nothing. */
  select(range) {
    this.selection = range && [Math.max(this.first, Math.min(...range)), Math.min(this.last, Math.max(...range))];
    this.changed();
  }

  point(x) {
    this.cursor = x;
    this.views.forEach((view) => view.drawCursor());
  }
}
