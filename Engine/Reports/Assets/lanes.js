// Loads and other events as lanes above a chart over time: a bar for a span, a stroke for a moment. The table of events has them as text.

const laneHeight = 15;
const lanesOfTrack = 3;

/** Where each span of a track is drawn, so that spans at the same time lie below each other. */
function placedSpans(events) {
  const ends = [];
  return events.map((event) => {
    const end = event.startNanoseconds + event.nanoseconds;
    const free = ends.findIndex((taken) => taken <= event.startNanoseconds);
    const lane = event.nanoseconds === 0 ? 0 : free >= 0 ? free : Math.min(ends.length, lanesOfTrack - 1);
    ends[lane] = Math.max(ends[lane] ?? 0, end);
    return { ...event, lane };
  });
}

class Lanes {
  constructor(label) {
    const tracks = Map.groupBy(profile.events, ({ track }) => track);
    this.tracks = [...tracks].map(([name, events]) => ({ name, events: placedSpans(events) }));
    let top = 0;
    for (const track of this.tracks) {
      track.top = top;
      top += laneHeight * (1 + largest(track.events.map(({ lane }) => lane)));
    }
    this.height = top + 2;
    this.picture = shape("svg", { height: this.height, "aria-hidden": "true" });
    this.plot = element("div", { class: "lanes", role: "img", "aria-label": `${label}: ${counted(profile.events.length, "event")} on ${counted(this.tracks.length, "track")}; the table of events lists them` }, this.picture);
    timeAxis.add(this);
    redrawWithWidth(this.plot, () => this.draw());
    this.draw();
  }

  draw() {
    const width = widthOf(this.plot);
    const inner = width - margin.left - margin.right;
    const [from, to] = timeAxis.view;
    const x = (time) => margin.left + inner * (time - from) / (to - from || 1);
    this.x = x;
    this.picture.setAttribute("viewBox", `0 0 ${width} ${this.height}`);
    this.picture.replaceChildren(
      ...this.tracks.map(({ name, top }) => shape("text", { class: "tick", x: margin.left - 8, y: top + 11, "text-anchor": "end" }, shortText(name, 10), shape("title", {}, name))),
      shape("svg", { class: "cut", x: margin.left, width: inner, height: this.height, viewBox: `${margin.left} 0 ${inner} ${this.height}` },
        ...this.tracks.flatMap((track, index) => this.trackShapes(track, seriesColour(index), [from, to])), this.line = shape("line", { class: "cursor", y1: 0, y2: this.height, x1: -9, x2: -9 })));
  }

  /** Moments of one pixel are one stroke. */
  trackShapes({ events, top }, colour, [from, to]) {
    const shapes = [];
    let stroke = -1;
    for (const { name, startNanoseconds: start, nanoseconds, lane } of events) {
      if (start + nanoseconds < from || start > to) {
        continue;
      }
      const left = this.x(Math.max(from, start));
      const y = top + lane * laneHeight;
      if (nanoseconds === 0) {
        if (Math.round(left) !== stroke) {
          stroke = Math.round(left);
          shapes.push(shape("rect", { class: "moment", fill: colour, x: stroke, width: 2, y: y + 2, height: laneHeight - 4 }, shape("title", {}, name)));
        }
        continue;
      }
      const wide = Math.max(2, this.x(Math.min(to, start + nanoseconds)) - left);
      shapes.push(shape("rect", { class: "span", fill: colour, x: left, width: wide, y: y + 1, height: laneHeight - 2, rx: 2 }, shape("title", {}, `${name}, ${timeText(nanoseconds)}`)));
      if (wide > 60) {
        shapes.push(shape("text", { class: "span-text", x: left + 5, y: y + 11 }, shortText(name, Math.floor((wide - 10) / 6))));
      }
    }
    return shapes;
  }

  drawCursor() {
    const at = this.x(timeAxis.cursor);
    this.line.setAttribute("x1", at);
    this.line.setAttribute("x2", at);
  }
}

/** Above a chart over time, where there are events. */
const lanesAbove = (label) => profile.events.length === 0 ? [] : [new Lanes(label).plot];

function showEvents() {
  const host = section("events");
  const { events, lostEventCount } = profile;
  host.append(...events.length === 0 ? [emptyNote("No events: no load, span or change of SuperSlabs was noted.")] : [
    lead("Loads and other spans, and moments at which SuperSlabs came or went. The lanes above the charts of frames and memory show the same."),
    table([
      { title: "Track", name: "track", key: (row) => row.track, text: (row) => row.track },
      { title: "Event", name: "name", key: (row) => row.name, text: (row) => element("button", { type: "button", class: "link", "aria-label": `Show ${row.name} in the charts`, onclick: () => showSpan(row.startNanoseconds, row.nanoseconds) }, row.name) },
      { title: "Start", name: "start", number: true, key: (row) => row.startNanoseconds, text: (row) => timeText(row.startNanoseconds) },
      { title: "Time", name: "nanoseconds", number: true, key: (row) => row.nanoseconds, text: (row) => row.nanoseconds === 0 ? "moment" : timeText(row.nanoseconds) },
    ], events, "events", { rowsShown: 12 })]);
  if (lostEventCount > 0) {
    host.append(element("p", { class: "muted" }, `${counted(lostEventCount, "earlier moment")} at which SuperSlabs came or went found no room in the profile.`));
  }
}

/** Shows a span with as much time before and after, in all charts. */
function showSpan(start, nanoseconds) {
  const room = Math.max(nanoseconds, (timeAxis.last - timeAxis.first) / 200);
  timeAxis.show(start - room, start + nanoseconds + room);
  timeAxis.point(start);
  section("frames").scrollIntoView();
}
