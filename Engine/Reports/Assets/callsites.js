// Where memory comes from: sampled call stacks as a flame graph, and call sites as a table.

const flameRow = 19;
const flameLetter = 6.4; // pixels of a letter, on average
const narrowestNamed = 30;

function showCallSites() {
  const host = section("callsites");
  const { unavailable, noStacks, stacks, intervalBytes, sampleCount, liveSampleCount, unkeptBlockCount, unkeptStackCount } = profile.callSites;
  if (unavailable) {
    host.append(emptyNote(`Allocations were not sampled: ${unavailable}.`));
    return;
  }
  if (stacks.length === 0) {
    host.append(emptyNote(`No samples: one in ${bytesText(intervalBytes)} is taken on average, and that little was allocated.`));
    return;
  }
  const notes = [
    noStacks && `The samples have no call stacks: ${noStacks}.`,
    unkeptBlockCount > 0 && `${counted(unkeptBlockCount, "sample")} found no room in the table of live blocks: they count as allocated, and not as live, so live bytes are too low.`,
    unkeptStackCount > 0 && `${counted(unkeptStackCount, "sample")} found no room for ${unkeptStackCount === 1 ? "its call stack" : "their call stacks"}: they count for their tags only.`,
  ].filter(Boolean);
  host.append(
    lead(`Estimated from ${counted(sampleCount, "sample")}, one in ${bytesText(intervalBytes)} on average, of which ${countText(liveSampleCount)} are of blocks that live. Of blocks in long-lived and small arenas, since sampling began; what frame arenas hold is not sampled. ± is one standard deviation: the truth lies within it two times of three.`),
    ...notes.map((note) => element("p", { class: "muted" }, note)));
  if (!noStacks) {
    host.append(...flameGraph(stacks));
  }
  const whole = largest(tables["call-sites"].rows.map((row) => row.allocated_bytes));
  host.append(
    element("h3", {}, "By call site"),
    element("div", { class: "toolbar" }, legend([["live", liveColour], ["allocated, and freed since", freeColour]])),
    engineTable("call-sites", {
      bar: (row) => meter([[row.live_bytes, liveColour], [row.allocated_bytes - row.live_bytes, freeColour]], whole),
      extra: [{ title: "Of live", number: true, key: (row) => row.live_bytes, text: (row) => shareText(row.live_bytes, sum(tables["call-sites"].rows.map(({ live_bytes: live }) => live))) }],
    }));
}

function flameGraph(stacks) {
  const kinds = { Live: ["liveBytes", "liveSampleCount"], Allocated: ["allocatedBytes", "sampleCount"] };
  const tags = [...new Set(stacks.map(({ tag }) => tag))];
  const graph = new FlameGraph();
  let kind = stacks.some(({ liveBytes }) => liveBytes > 0) ? "Live" : "Allocated";
  let tag = "";
  const draw = () => graph.show(stacks.filter((stack) => tag === "" || stack.tag === tag), ...kinds[kind]);
  const picker = element("select", { "aria-label": "Tag", onchange: (event) => {
    tag = event.target.value;
    draw();
  } }, element("option", { value: "" }, "all tags"), ...tags.map((name) => element("option", { value: name }, name)));
  const csv = () => [["stack", "tag", "live_bytes", "allocated_bytes"], stacks.map((stack) =>
    [stackNames(stack).join(";"), stack.tag, stack.liveBytes, stack.allocatedBytes])];
  draw();
  return [
    element("h3", {}, "By call stack"),
    lead("Callers above, callees below, as wide as the bytes that they allocated. A click, or Enter, zooms to a method; the arrow keys go from one to the next, Escape goes back to all."),
    element("div", { class: "toolbar" }, choice("Bytes", Object.keys(kinds), kind, (chosen) => {
      kind = chosen;
      draw();
    }), picker, element("button", { type: "button", onclick: () => graph.zoom(graph.root) }, "All"), element("span", { class: "space" }),
    ...downloadButtons("Flame graph of call sites", () => graph.picture, csv)),
    graph.plot, graph.readout];
}

/** The places of a stack, the outermost first. */
const stackNames = ({ places }) => places.length === 0 ? ["(call stack not kept)"] : places.map((place) => profile.callSites.places[place] ?? "(not in the profile)").reverse();

/** The stacks as a tree: { name, bytes, samples, children, parent }, the largest children first. */
function flameTree(stacks, bytes, samples) {
  const node = (name, parent) => ({ name, parent, bytes: 0, samples: 0, byName: new Map() });
  const root = node("all", undefined);
  for (const stack of stacks.filter((one) => one[bytes] > 0)) {
    let place = root;
    for (const name of [undefined, ...stackNames(stack)]) {
      if (name !== undefined) {
        if (!place.byName.has(name)) {
          place.byName.set(name, node(name, place));
        }
        place = place.byName.get(name);
      }
      place.bytes += stack[bytes];
      place.samples += stack[samples];
    }
  }
  const order = (parent) => {
    parent.children = [...parent.byName.values()].sort((a, b) => b.bytes - a.bytes);
    parent.children.forEach(order);
  };
  order(root);
  return root;
}

class FlameGraph {
  constructor() {
    this.picture = shape("svg", { "aria-hidden": "true" });
    this.readout = element("output", { class: "readout" });
    this.plot = element("div", {
      class: "flame", tabindex: "0", role: "slider", "aria-label": "Flame graph of call sites", "aria-valuemin": "0",
      onkeydown: (event) => this.onKey(event),
      onclick: (event) => this.at(event, (node) => this.zoom(node)),
      onpointermove: (event) => this.at(event, (node) => this.choose(node)),
    }, this.picture);
    redrawWithWidth(this.plot, () => this.draw());
  }

  show(stacks, bytes, samples) {
    this.root = flameTree(stacks, bytes, samples);
    this.zoom(this.root);
  }

  zoom(node) {
    this.zoomed = node;
    this.draw();
    this.choose(node);
  }

  /** From the root to the zoomed method each is as wide as the picture; below it, as its share. */
  draw() {
    const width = widthOf(this.plot);
    this.drawn = [];
    const place = (node, x, its, row) => {
      if (its >= 1) {
        this.drawn.push(Object.assign(node, { x, width: its, row }));
        let left = x;
        for (const child of node.children) {
          const share = its * child.bytes / node.bytes;
          place(child, left, share, row + 1);
          left += share;
        }
      }
    };
    const outer = [];
    for (let node = this.zoomed.parent; node; node = node.parent) {
      outer.unshift(node);
    }
    outer.forEach((node, row) => this.drawn.push(Object.assign(node, { x: 0, width, row })));
    place(this.zoomed, 0, width, outer.length);
    const height = flameRow * (1 + largest(this.drawn.map(({ row }) => row)));
    this.picture.setAttribute("height", String(height));
    this.picture.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.plot.setAttribute("aria-valuemax", String(this.drawn.length - 1));
    this.mark = shape("rect", { class: "chosen-cell", height: flameRow - 1 });
    this.picture.replaceChildren(...this.drawn.flatMap((node) => this.shapesOf(node)), this.mark);
    this.choose(this.drawn.includes(this.chosen) ? this.chosen : this.zoomed);
  }

  shapesOf({ name, x, width, row }) {
    const rect = shape("rect", { class: "flame-frame", x, y: row * flameRow, width: Math.max(1, width - 1), height: flameRow - 1 });
    const owner = name.includes("!") || !name.includes(".") ? name : name.split(".").slice(0, -1).join(".");
    rect.style.setProperty("--fill", seriesColour([...owner].reduce((hash, letter) => (hash * 31 + letter.codePointAt(0)) >>> 0, 7)));
    const short = name.split(".").slice(-2).join(".");
    const text = shape("text", { class: "flame-text", x: x + 4, y: row * flameRow + 13 }, shortText(short, Math.max(1, Math.floor((width - 8) / flameLetter))));
    return width < narrowestNamed ? [rect] : [rect, text];
  }

  choose(node) {
    this.chosen = node;
    for (const [name, value] of [["x", node.x], ["y", node.row * flameRow], ["width", Math.max(1, node.width - 1)]]) {
      this.mark.setAttribute(name, String(value));
    }
    const facts = `${node.name}: ${bytesText(node.bytes)}, ${shareText(node.bytes, this.root.bytes)} of all, ${counted(node.samples, "sample")}`;
    this.readout.textContent = facts;
    this.plot.setAttribute("aria-valuenow", String(this.drawn.indexOf(node)));
    this.plot.setAttribute("aria-valuetext", facts);
  }

  at(event, act) {
    const bounds = this.plot.getBoundingClientRect();
    const [x, row] = [event.clientX - bounds.left, Math.floor((event.clientY - bounds.top) / flameRow)];
    const node = this.drawn.find((one) => one.row === row && x >= one.x && x < one.x + one.width);
    if (node) {
      act(node);
    }
  }

  onKey(event) {
    const { chosen } = this;
    const siblings = chosen.parent ? chosen.parent.children.filter((node) => this.drawn.includes(node)) : [chosen];
    const place = siblings.indexOf(chosen);
    const targets = { ArrowUp: chosen.parent, ArrowDown: chosen.children[0], ArrowLeft: siblings[place - 1], ArrowRight: siblings[place + 1] };
    if (event.key === "Enter" || event.key === "Escape") {
      this.zoom(event.key === "Enter" ? chosen : this.root);
    } else if (!(event.key in targets)) {
      return;
    } else if (this.drawn.includes(targets[event.key])) {
      this.choose(targets[event.key]);
    }
    event.preventDefault();
  }
}
