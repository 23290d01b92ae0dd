// The range selected on the axis of time, and what the frames in it did.

/** The shortest of the sorted times that a share of them does not exceed. */
const percentileOf = (sorted, percent) => sorted[Math.max(0, Math.ceil(sorted.length * percent / 100) - 1)] ?? 0;

function selectionPanel() {
  const host = element("div", { id: "selection", class: "opened-frame", role: "region", "aria-label": "The range that is selected", hidden: "" });
  let shown;
  timeAxis.onChange(() => {
    if (timeAxis.selection !== shown) {
      shown = timeAxis.selection;
      host.hidden = !shown;
      host.replaceChildren(...shown ? selectionContent(shown) : []);
    }
  });
  return host;
}

function selectionContent(range) {
  const [first, end] = framesIn(range);
  const button = (text, onclick) => element("button", { type: "button", onclick }, text);
  const facts = element("dl", { class: "facts" });
  const add = (title, value, note) => facts.append(element("div", {}, element("dt", {}, title), element("dd", {}, value, note ? element("span", { class: "note" }, note) : "")));
  const sorted = Array.from(frameTimes.slice(first, end)).sort((a, b) => a - b);
  add("Frames", countText(end - first));
  if (sorted.length > 0) {
    add("p50", timeText(percentileOf(sorted, 50)));
    add("p99", timeText(percentileOf(sorted, 99)));
    add("Longest", timeText(sorted.at(-1)));
    for (const { name, title, unit } of countedColumns()) {
      const total = sum(frameColumn(name).slice(first, end));
      add(name === "nanoseconds" ? "Time in frames" : title[0].toUpperCase() + title.slice(1), valueText(total, unit), `sum; ${unit === "count" ? digits(total / sorted.length) : valueText(Math.round(total / sorted.length), unit)} a frame`);
    }
  }
  const heading = ["frame", "start", ...countedColumns().map(({ name }) => name)];
  return [
    element("div", { class: "toolbar" }, element("h3", {}, `Selected: ${timeText(range[1] - range[0])}, from ${momentText(range[0], (range[1] - range[0]) / 10)}`), element("span", { class: "space" }),
      button("Zoom in on it", () => timeAxis.show(...range)), button("CSV", () => saveCsv("selected frames", heading, frameRows(heading, first, end))), button("Clear", () => timeAxis.select())),
    facts];
}

/** The raw frames; what was not counted is empty. */
const frameRows = (heading, first, end) => Array.from({ length: end - first }, (_, row) => heading.map((name) =>
  name === "frame" ? profile.frames.first + first + row : frameColumn(name)[first + row] ?? ""));
