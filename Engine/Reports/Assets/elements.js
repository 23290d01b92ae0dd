// The page's building blocks. Text becomes text nodes, never markup, so no name in a profile can be more than a name.

const profile = JSON.parse(document.getElementById("profile").textContent);

/** The engine's tables by name: columns { name, title, unit, isAlarm }, and rows as objects by the columns' names. */
const tables = Object.fromEntries(Object.entries(JSON.parse(document.getElementById("tables").textContent)).map(
  ([name, { columns, rows }]) => [name, {
    columns,
    rows: rows.map((values) => Object.fromEntries(values.map((value, index) => [columns[index].name, value]))),
  }]));

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

/**
 * A table that is sorted by the heading chosen, and shows its first rows until all are asked for.
 * Columns: title, text(row), key(row) to sort by, number, wide, over(row).
 */
function table(columns, rows, caption, rowsShown = 24) {
  const body = element("tbody");
  const more = element("button", { type: "button", onclick: () => show(rows.length) }, `Show all ${countText(rows.length)} rows`);
  let sorted = rows;

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
    show(Math.max(rowsShown, body.children.length));
  }

  show(rowsShown);
  return element("div", { class: "scroll" },
    element("table", {}, caption && element("caption", {}, caption), element("thead", {}, element("tr", {}, ...headings)), body), more);
}

/**
 * One of the engine's tables. Its columns are the engine's; `options` are what only the page knows: `bar`, a column of its own
 * before the first number; `hidden` names; `texts`, how a column is shown; `over`, where a number is too high; `extra` columns.
 */
function engineTable(name, { rows = tables[name].rows, caption, rowsShown, bar, hidden = [], texts = {}, over = {}, extra = [] } = {}) {
  const columns = tables[name].columns.filter((column) => !hidden.includes(column.name)).map((column) => ({
    title: column.title, number: column.unit !== "text", key: (row) => row[column.name] ?? 0,
    text: texts[column.name] ?? ((row) => valueText(row[column.name], column.unit)),
    over: over[column.name] ?? (column.isAlarm ? (row) => row[column.name] > 0 : undefined),
  }));
  if (bar) {
    columns.splice(columns.findIndex(({ number }) => number), 0, { title: "", wide: true, text: bar });
  }
  return table([...columns, ...extra], rows, caption, rowsShown);
}

const cellClass = (column, row) =>
  [column.number && "number", column.wide && "wide", column.over?.(row) && "over"].filter(Boolean).join(" ") || undefined;
