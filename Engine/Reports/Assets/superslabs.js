// The map of SuperSlabs: a square for each, as dark as it is full; the chosen one is looked into, slab by slab.

const superSlabBytes = 2 * 1024 * 1024;
const occupancyLevels = 5;

function showSuperSlabs() {
  const host = section("superslabs");
  const names = new Map(profile.arenas.map(({ number, name }) => [number, name]));
  const all = profile.superSlabs.map((superSlab) => ({ ...superSlab, arena: names.get(superSlab.arenaNumber) ?? "" }));
  if (all.length === 0) {
    host.append(emptyNote("No SuperSlabs: the profile holds no snapshot of them."));
    return;
  }

  const last = all.findLastIndex(({ state }) => state !== "free");
  const seen = all.slice(0, Math.max(1, last + 1));
  host.append(lead(`A square is a SuperSlab of 2 MiB, in the order of their addresses`
    + (seen.length < all.length ? `; ${countText(all.length - seen.length)} free ones at the end are left out` : "")
    + ". Choose one by mouse or arrow keys to see its 32 slabs."));
  const map = new SuperSlabMap(seen);
  const colours = choice("Colours", ["occupancy", "arena"], "occupancy", (chosen) => map.colourBy(chosen));
  host.append(element("div", { class: "toolbar" }, colours, map.key), map.plot, map.detail);
}

class SuperSlabMap {
  constructor(superSlabs) {
    this.superSlabs = superSlabs;
    this.arenas = [...new Set(superSlabs.map(({ arena }) => arena).filter(Boolean))];
    this.size = superSlabs.length > 1500 ? 8 : superSlabs.length > 400 ? 13 : 20;
    this.chosen = 0;
    this.picture = shape("svg", { "aria-hidden": "true" });
    this.detail = element("div", { id: "superslab", "aria-live": "polite" });
    this.key = element("div");
    this.plot = element("div", {
      class: "map", tabindex: "0", role: "slider", "aria-label": "Map of SuperSlabs", "aria-valuemin": "0", "aria-valuemax": String(superSlabs.length - 1),
      onkeydown: (event) => this.onKey(event),
      onclick: (event) => this.onClick(event),
    }, this.picture);
    redrawWithWidth(this.plot, () => this.draw());
    this.colourBy("occupancy");
    this.choose(Math.max(0, superSlabs.findIndex(({ usedBytes, slabs }) => usedBytes > 0 && slabs.length > 0)));
  }

  get columns() {
    return Math.max(1, Math.floor(widthOf(this.plot) / this.size));
  }

  colourBy(chosen) {
    const shade = (level) => `color-mix(in srgb, var(--s0) ${15 + 85 * level / (occupancyLevels - 1)}%, var(--surface))`;
    const states = [["free", "var(--page)"], ["ready", "color-mix(in srgb, var(--good) 35%, var(--surface))"]];
    this.colourOf = chosen === "arena"
      ? ({ arena }) => seriesColour(this.arenas.indexOf(arena))
      : ({ usedBytes }) => shade(Math.min(occupancyLevels - 1, Math.floor(usedBytes / superSlabBytes * occupancyLevels)));
    this.stateColours = new Map(states);
    this.key.replaceChildren(legend(chosen === "arena"
      ? [...this.arenas.map((arena, index) => [arena, seriesColour(index)]), ...states]
      : [["empty", shade(0)], ["half full", shade(2)], ["full", shade(4)], ["ready, no arena's", states[1][1]], ["free, no memory", states[0][1]]]));
    this.draw();
  }

  /** All squares of one colour are one path, so that a map of 30,000 has a handful of elements. */
  draw() {
    const { size, columns } = this;
    const paths = new Map();
    this.superSlabs.forEach((superSlab, index) => {
      const colour = this.stateColours.get(superSlab.state) ?? this.colourOf(superSlab);
      const [x, y] = [index % columns * size, Math.floor(index / columns) * size];
      paths.set(colour, `${paths.get(colour) ?? ""}M${x} ${y}h${size - 2}v${size - 2}h${2 - size}z`);
    });
    const height = Math.ceil(this.superSlabs.length / columns) * size;
    this.picture.setAttribute("height", String(height));
    this.picture.setAttribute("viewBox", `0 0 ${widthOf(this.plot)} ${height}`);
    this.frame = shape("rect", { class: "chosen-cell", width: size, height: size });
    this.picture.replaceChildren(...[...paths].map(([colour, d]) => {
      const path = shape("path", { class: "cells", d, stroke: "var(--line)", "stroke-width": "1" });
      path.style.fill = colour;
      return path;
    }), this.frame);
    this.placeFrame();
  }

  placeFrame() {
    this.frame.setAttribute("x", String(this.chosen % this.columns * this.size - 1));
    this.frame.setAttribute("y", String(Math.floor(this.chosen / this.columns) * this.size - 1));
  }

  choose(index) {
    this.chosen = Math.max(0, Math.min(this.superSlabs.length - 1, index));
    this.placeFrame();
    const { index: number, state, pages, arena, usedBytes, slabs } = this.superSlabs[this.chosen];
    const facts = [`SuperSlab ${number}`, state + (arena ? ` by ${arena}` : ""), pages && `${wordText(pages)} pages`,
      (state === "owned" || state === "extent") && `${bytesText(usedBytes)} of 2 MiB used (${shareText(usedBytes, superSlabBytes)})`].filter(Boolean);
    this.plot.setAttribute("aria-valuenow", String(this.chosen));
    this.plot.setAttribute("aria-valuetext", facts.join(", "));
    this.detail.replaceChildren(element("h3", {}, facts.join(" · ")), this.slabList(slabs, state));
  }

  slabList(slabs, state) {
    if (slabs.length === 0) {
      const reasons = { free: "No slabs: there is no memory behind it.", ready: "No slabs: it is prefaulted and waits for an arena.", extent: "No slabs: it belongs to one block of whole SuperSlabs." };
      return emptyNote(reasons[state] ?? "No slabs: this arena does not divide its SuperSlabs.");
    }
    const sizes = [...new Set(slabs)].filter((bytes) => bytes > 0).sort((a, b) => a - b);
    return element("ol", { class: "slabs", "aria-label": "Slabs of 64 KiB, by the size of their blocks" }, ...slabs.map((bytes, index) => bytes === 0
      ? element("li", { class: "free", title: `slab ${index}: free` }, "free")
      : element("li", { fill: seriesColour(sizes.indexOf(bytes)), title: `slab ${index}: blocks of ${bytesText(bytes)}` }, bytesText(bytes))));
  }

  onKey(event) {
    const moves = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -this.columns, ArrowDown: this.columns, Home: -this.chosen, End: this.superSlabs.length };
    if (event.key in moves) {
      event.preventDefault();
      const target = this.chosen + moves[event.key];
      if (event.key === "End" || (target >= 0 && target < this.superSlabs.length)) {
        this.choose(target);
      }
    }
  }

  onClick(event) {
    const bounds = this.plot.getBoundingClientRect();
    const [column, row] = [Math.floor((event.clientX - bounds.left) / this.size), Math.floor((event.clientY - bounds.top) / this.size)];
    const index = row * this.columns + column;
    if (column < this.columns && index < this.superSlabs.length) {
      this.choose(index);
    }
  }
}
