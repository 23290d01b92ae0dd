// One frame opened: what it did, beside what frames usually do, its page faults by owner, the spans at its time, and what memory's
// samples around it tell of arenas and tags.

const medianOf = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;

/** The columns that frames count, with the time first. */
const countedColumns = () => [{ name: "nanoseconds", title: "time", unit: "nanoseconds" }, ...tables.frames.columns].filter(({ name }) => frameColumn(name).length > 0);

class OpenedFrame {
  constructor(chart, reasons) {
    [this.chart, this.reasons] = [chart, reasons];
    this.index = -1;
    this.medians = undefined;
    this.host = element("div", { id: "frame", class: "opened-frame", role: "region", "aria-label": "The frame that is opened", tabindex: "-1", hidden: "", onkeydown: (event) => this.onKey(event) });
  }

  open(index, focus = true) {
    if (index < 0 || index >= frameTimes.length) {
      return;
    }
    this.index = index;
    this.chart.opened = index;
    this.chart.moveTo(index);
    this.host.hidden = false;
    this.host.replaceChildren(...this.content(index));
    if (focus) {
      this.host.focus({ preventScroll: true });
      this.host.scrollIntoView({ block: "nearest" });
    }
    pageState.changed();
  }

  close() {
    this.index = this.chart.opened = -1;
    this.host.hidden = true;
    this.chart.drawCursor();
    this.chart.plot.focus();
    pageState.changed();
  }

  onKey(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (event.target === this.host && step) {
      event.preventDefault();
      this.open(this.index + step);
    } else if (event.key === "Escape") {
      this.close();
    }
  }

  content(index) {
    const number = profile.frames.first + index;
    const button = (text, title, onclick) => element("button", { type: "button", title, "aria-label": text.length === 1 ? title : `${text}: ${title}`, onclick }, text);
    const toHitch = (direction) => {
      this.chart.cursor = this.index;
      this.open(this.chart.nextMark(direction));
    };
    const reason = this.reasons.get(number);
    return [
      element("div", { class: "toolbar" }, element("h3", {}, `Frame ${countText(number)}`), element("span", { class: "space" }),
        button("‹", "The frame before", () => this.open(this.index - 1)), button("›", "The next frame", () => this.open(this.index + 1)),
        button("‹ hitch", "the hitch before", () => toHitch(-1)), button("hitch ›", "the next hitch", () => toHitch(1)),
        button("Copy link", "to this frame and zoom", () => pageState.copyLink(this.said)), button("Close", "the frame", () => this.close()), this.said = element("span", { class: "muted", role: "status" })),
      reason ? element("p", { class: "reason" }, reason) : "",
      this.counts(index), ...this.faults(number), ...this.events(index), ...this.memory(index),
      element("p", { class: "muted" }, "Size classes, lanes and thread caches are known for the end of the run only: their tables are below."),
    ];
  }

  /** Each column beside the median of all frames kept. */
  counts(index) {
    this.medians ??= new Map(countedColumns().map(({ name }) => [name, medianOf(frameColumn(name))]));
    const start = frameStarts[index];
    const facts = element("dl", { class: "facts" });
    const add = (title, value, note, judgement) => facts.append(element("div", {}, element("dt", {}, title), element("dd", { class: judgement }, value, note ? element("span", { class: "note" }, note) : "")));
    for (const { name, title, unit, isAlarm } of countedColumns()) {
      const value = frameColumn(name)[index];
      add(title[0].toUpperCase() + title.slice(1), valueText(value, unit), `median ${valueText(this.medians.get(name), unit)}`, isAlarm && value > 0 ? "bad" : undefined);
    }
    add("Began", momentText(start, Math.max(1, frameTimes[index] / 10)), "after the profile's begin");
    return facts;
  }

  faults(number) {
    const rows = tables["frame-faults"].rows.filter(({ frame }) => frame === number);
    if (rows.length === 0) {
      return profile.faults.unavailable ? [element("p", { class: "muted" }, `Page faults have no owners here: ${profile.faults.unavailable}.`)] : [];
    }
    return [element("h4", {}, "Page faults by owner"), engineTable("frame-faults", { rows, hidden: ["frame"], name: `faults of frame ${number}` })];
  }

  /** What went on beside the frame, also if it began before or ended after. */
  events(index) {
    const [start, end] = [frameStarts[index], frameStarts[index] + frameTimes[index]];
    const rows = profile.events.filter((event) => event.startNanoseconds <= end && event.startNanoseconds + event.nanoseconds >= start);
    return rows.length === 0 ? [element("p", { class: "muted" }, "No span and no moment lies in its time.")] : [
      element("h4", {}, "Spans and moments in its time"),
      table([
        { title: "Track", name: "track", key: (row) => row.track, text: (row) => row.track },
        { title: "Event", name: "name", key: (row) => row.name, text: (row) => row.name },
        { title: "From its begin", name: "start", number: true, key: (row) => row.startNanoseconds - start, text: (row) => `${row.startNanoseconds < start ? "−" : "+"}${timeText(Math.abs(row.startNanoseconds - start))}` },
        { title: "Time", name: "nanoseconds", number: true, key: (row) => row.nanoseconds, text: (row) => row.nanoseconds === 0 ? "moment" : timeText(row.nanoseconds) },
      ], rows, `events of frame ${profile.frames.first + index}`)];
  }

  /** Memory is sampled every few milliseconds: what changed between the samples on either side. */
  memory(index) {
    const { times, arenas, allocatedByTag } = profile.memory;
    const after = Math.min(times.length - 1, indexAt(times, frameStarts[index] + frameTimes[index]));
    const before = Math.max(0, indexAt(times, frameStarts[index] + 1) - 1);
    if (times.length < 2 || before >= after) {
      return [element("p", { class: "muted" }, "Memory has no sample on both sides of the frame.")];
    }
    const [from, to] = framesIn([times[before], times[after] - 1]);
    const rows = [...arenas.map((curve) => ["arena", curve]), ...allocatedByTag.map((curve) => ["tag", curve])]
      .map(([kind, { name, values }]) => ({ kind, name, value: values[after], change: values[after] - values[before] })).filter(({ value, change }) => value !== 0 || change !== 0);
    const change = (bytes) => bytes === 0 ? "0" : `${bytes < 0 ? "" : "+"}${bytesText(bytes)}`;
    return [
      element("h4", {}, "Memory around it"),
      element("p", { class: "muted" }, `Between the samples at ${momentText(times[before], 1e5)} and ${momentText(times[after], 1e5)}, in which ${counted(to - from, "frame")} began: live bytes of arenas, and allocated bytes of tags.`),
      table([
        { title: "What", name: "what", key: (row) => row.kind, text: (row) => row.kind },
        { title: "Name", name: "name", key: (row) => row.name, text: (row) => row.name },
        { title: "After it", name: "bytes", number: true, key: (row) => row.value, text: (row) => bytesText(row.value) },
        { title: "Change", name: "change", number: true, key: (row) => row.change, text: (row) => change(row.change) },
      ], rows, `memory around frame ${profile.frames.first + index}`)];
  }
}
