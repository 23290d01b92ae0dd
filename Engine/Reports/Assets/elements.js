// The page's building blocks. Text becomes text nodes, never markup, so no name in a profile can be more than a name.

const section = (id) => document.getElementById(id);

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) {
      node.addEventListener(name.slice(2), value);
    } else if (name === "fill") {
      node.style.setProperty("--fill", value);
    } else if (value !== undefined && value !== false) {
      node.setAttribute(name, value);
    }
  }
  node.append(...children.filter((child) => child !== undefined));
  return node;
}

const element = (name, attributes = {}, ...children) => fill(document.createElement(name), attributes, children);

const shape = (name, attributes = {}, ...children) =>
  fill(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);

const lead = (text) => element("p", { class: "lead" }, text);

const emptyNote = (text) => element("p", { class: "empty" }, text);

const seriesColours = 8;

const seriesColour = (index) => `var(--s${index % seriesColours})`;

/** Where there are more series than colours, the later ones are dashed. */
const seriesClass = (index) => index < seriesColours ? "" : "dashed";

const swatch = (colour, kind = "") => element("span", { class: `swatch ${kind}`, fill: colour });

const legend = (entries) => element("ul", { class: "legend" }, ...entries.map(([text, colour]) => element("li", {}, element("label", {}, swatch(colour), text))));

/** A bar of parts, each [bytes, colour]; `limits` are marked by a line. */
function meter(parts, whole, limits = []) {
  const bar = element("div", { class: "meter", "aria-hidden": "true" });
  const share = (value) => `${Math.max(0, Math.min(100, 100 * value / whole))}%`;
  for (const [value, colour] of parts) {
    const part = element("i", { fill: colour });
    part.style.width = share(value);
    bar.append(part);
  }
  for (const limit of limits) {
    const line = element("i", { class: "limit" });
    line.style.left = share(limit);
    bar.append(line);
  }
  return bar;
}

/** One of several; `choose` is called with the value chosen. */
function choice(title, options, chosen, choose) {
  const name = title.replaceAll(" ", "-").toLowerCase();
  return element("fieldset", { class: "choice" }, element("legend", {}, title), ...options.map((option) =>
    element("label", {},
      element("input", { type: "radio", name, value: option, checked: option === chosen ? "" : undefined, onchange: () => choose(option) }),
      element("span", {}, option))));
}

// Charts are drawn for the width that they have, and for a page's where they are printed.
let printedWidth;
const redraws = [];
const pageWidth = 680;

const widthOf = (node) => Math.max(200, printedWidth ?? (node.clientWidth || 900));

function redrawWithWidth(node, draw) {
  new ResizeObserver(draw).observe(node);
  redraws.push(draw);
}

/** The tables of the page, for search and print: { root, rows, textOf(row), reveal(row), showAll(isAll) }. */
const shownTables = [];

addEventListener("beforeprint", () => {
  printedWidth = pageWidth;
  redraws.forEach((draw) => draw());
  shownTables.forEach(({ showAll }) => showAll(true));
});
addEventListener("afterprint", () => {
  printedWidth = undefined;
  redraws.forEach((draw) => draw());
  shownTables.forEach(({ showAll }) => showAll(false));
});

/**
 * A table that is sorted by the heading chosen, and shows its first rows until all are asked for, or printed.
 * Columns: title, name in files, text(row), key(row) to sort by, raw(row) for files, number, wide, over(row).
 */
function table(columns, rows, name, { caption, rowsShown = 24 } = {}) {
  const body = element("tbody");
  const more = element("button", { type: "button", class: "more", onclick: () => show(shown = rows.length) }, `Show all ${countText(rows.length)} rows`);
  let sorted = rows;
  let shown = rowsShown;

  function show(count) {
    body.replaceChildren(...sorted.slice(0, count).map((row) => element("tr", {}, ...columns.map((column) =>
      element("td", { class: cellClass(column, row) }, column.text(row))))));
    more.hidden = count >= rows.length;
  }

  const headings = columns.map((column) => element("th", { scope: "col", class: column.number ? "number" : undefined }, column.key
    ? element("button", { type: "button", onclick: () => sort(column) }, column.title)
    : column.title));

  function sort(column) {
    const heading = headings[columns.indexOf(column)];
    const direction = heading.getAttribute("aria-sort") === "descending" ? "ascending" : "descending";
    headings.forEach((other) => other.removeAttribute("aria-sort"));
    heading.setAttribute("aria-sort", direction);
    const sign = direction === "ascending" ? 1 : -1;
    sorted = [...rows].sort((a, b) => {
      const [left, right] = [column.key(a), column.key(b)];
      return sign * (typeof left === "string" ? left.localeCompare(right) : left - right);
    });
    show(shown);
  }

  const saved = columns.filter((column) => column.name);
  const save = element("button", { type: "button", class: "save", "aria-label": `Save as CSV: ${name}`, onclick: () =>
    saveCsv(name, saved.map((column) => column.name), sorted.map((row) => saved.map((column) => (column.raw ?? column.key)(row)))) }, "CSV");
  show(shown);
  const root = element("div", { class: "table" },
    scrolled(name, element("table", {}, caption && element("caption", {}, caption), element("thead", {}, element("tr", {}, ...headings)), body)),
    element("div", { class: "toolbar table-tools" }, more, saved.length > 0 ? save : ""));
  const cellText = (content) => typeof content === "string" ? content : content.textContent;
  shownTables.push({
    root, rows,
    textOf: (row) => columns.map((column) => cellText(column.text(row))).filter(Boolean).join(" · "),
    reveal: (row) => {
      show(shown = Math.max(shown, sorted.indexOf(row) + 1));
      const line = body.children[sorted.indexOf(row)];
      body.querySelectorAll(".found").forEach((other) => other.classList.remove("found"));
      line.classList.add("found");
      line.scrollIntoView({ block: "center" });
    },
    showAll: (isAll) => show(isAll ? rows.length : shown),
  });
  return root;
}

/** What may be wider than the page: it is scrolled sideways, also by keyboard, and says so where it is cut. */
function scrolled(name, content) {
  const scroll = element("div", { class: "scroll" }, content);
  const cue = element("p", { class: "cue", hidden: "" }, "Cut off on the right: scroll the table sideways.");
  const look = () => {
    const isCut = scroll.scrollWidth > scroll.clientWidth + 1;
    const isAtEnd = scroll.scrollLeft + scroll.clientWidth >= scroll.scrollWidth - 1;
    scroll.classList.toggle("cut-off", isCut && !isAtEnd);
    cue.hidden = !isCut;
    for (const [attribute, value] of [["tabindex", "0"], ["role", "region"], ["aria-label", `${name}, scrolled sideways`]]) {
      if (isCut) {
        scroll.setAttribute(attribute, value);
      } else {
        scroll.removeAttribute(attribute);
      }
    }
  };
  new ResizeObserver(look).observe(scroll);
  scroll.addEventListener("scroll", look, { passive: true });
  return element("div", {}, cue, scroll);
}

const shortText = (text, characters) => text.length <= characters ? text : `${text.slice(0, characters - 1)}…`;

const cellClass = (column, row) =>
  [column.number && "number", column.wide && "wide", column.over?.(row) && "over"].filter(Boolean).join(" ") || undefined;

/** Links to the parts of the page. */
function showContents() {
  for (const heading of document.querySelectorAll("section > h2")) {
    section("contents").append(element("li", {}, element("a", { href: `#${heading.parentElement.id}` }, heading.textContent)));
  }
}

section("theme").addEventListener("change", (event) => {
  document.documentElement.dataset.theme = event.target.value;
});
