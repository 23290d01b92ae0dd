// Bytes over time: live by arena, of the whole memory by use, or allocated by tag.

function showMemory() {
  const host = section("memory");
  const { times, arenas, use: parts, allocatedByTag: tags } = profile.memory;
  if (times.length < 2 || arenas.length + parts.length + tags.length === 0) {
    host.append(emptyNote("No memory over time: the profile has fewer than two samples of it."));
    return;
  }

  const blocks = profile.hasCounters ? "Blocks that were live in each arena" : "Blocks that callers and thread caches held in each arena";
  const byUse = parts.length > 0 ? "; or what the whole memory was used for" : "";
  host.append(lead(`${blocks}, the frame's bytes in a frame arena${byUse}; or the bytes that were allocated under each tag since counting began.`));
  const place = element("div");
  const kinds = [["By arena", arenas], ["By use", withSum(times, parts)], ["Allocated by tag", tags]].filter(([, curves]) => curves.length > 0);
  const charts = new Map();
  const draw = (kind) => {
    if (!charts.has(kind)) {
      charts.set(kind, memoryChart(times, kinds.find(([name]) => name === kind)[1], kind));
    }
    place.replaceChildren(...charts.get(kind));
  };
  host.append(kinds.length > 1 ? choice("Memory", kinds.map(([name]) => name), kinds[0][0], draw) : "", place);
  const curved = new Set(arenas.map(({ name }) => name));
  const others = [...new Set([...tables.arenas.rows, ...tables["disposed-arenas"].rows].map(({ name }) => name))].filter((name) => !curved.has(name));
  if (others.length > 0) {
    host.append(element("p", { class: "muted" }, `${counted(curved.size, "name")} of ${countText(curved.size + others.length)} of arenas shown: the others came later than there was room, or were gone before a sample.`));
  }
  if (tags.length === 0) {
    host.append(emptyNote("Not by tag: no tag was in use while memory was sampled."));
  }
  draw(kinds[0][0]);
}

/** The parts of the memory's use, and before them what they add up to: what the engine held. */
function withSum(times, parts) {
  const sum = times.map((_, sample) => parts.reduce((all, { values }) => all + values[sample], 0));
  return parts.length > 0 ? [{ name: "held in all", values: sum }, ...parts] : [];
}

function memoryChart(times, curves, kind) {
  const series = curves.map(({ name, values }, index) => ({ name, values, colour: seriesColour(index), kind: seriesClass(index) }));
  const chart = new Chart({
    label: `Memory over time, ${kind.toLowerCase()}`, xs: times, series, text: bytesText, xText: momentText, isBytes: true, isStepped: true,
    axis: timeAxis, csv: () => [["nanoseconds", ...series.map(({ name }) => name)], times.map((time, row) => [time, ...series.map(({ values }) => values[row])])],
    describe: (index) => `at ${timeText(times[index])}: ${series.filter(({ hidden }) => !hidden).map(({ name, values }) => `${name} ${bytesText(values[index])}`).join(" · ")}`,
  });
  const boxes = series.map((curve) => element("li", {}, element("label", {},
    element("input", { type: "checkbox", checked: "", onchange: (event) => {
      curve.hidden = !event.target.checked;
      chart.draw();
    } }), swatch(curve.colour, curve.kind), curve.name)));
  return [
    element("div", { class: "toolbar" }, element("ul", { class: "legend" }, ...boxes), element("span", { class: "space" }), ...chart.buttons),
    ...lanesAbove("Events above memory"), chart.plot, chart.readout];
}
