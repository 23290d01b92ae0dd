// The profile that the page shows, and its tables.

const profile = JSON.parse(document.getElementById("profile").textContent);

/** The engine's tables by name: columns { name, title, unit, isAlarm }, and rows as objects by the columns' names. */
const tables = Object.fromEntries(Object.entries(JSON.parse(document.getElementById("tables").textContent)).map(
  ([name, { columns, rows }]) => [name, {
    columns,
    rows: rows.map((values) => Object.fromEntries(values.map((value, index) => [columns[index].name, value]))),
  }]));

/**
 * One of the engine's tables. Its columns are the engine's; `options` are what only the page knows: `bar`, a column of its own
 * before the first number; `hidden` names; `texts`, how a column is shown; `over`, where a number is too high; `extra` columns.
 */
function engineTable(source, { rows = tables[source].rows, name = source, caption, rowsShown, bar, hidden = [], texts = {}, over = {}, extra = [] } = {}) {
  const columns = tables[source].columns.filter((column) => !hidden.includes(column.name)).map((column) => ({
    title: column.title, name: column.name, number: column.unit !== "text", key: (row) => row[column.name] ?? 0, raw: (row) => row[column.name] ?? "",
    text: texts[column.name] ?? ((row) => valueText(row[column.name], column.unit)),
    over: over[column.name] ?? (column.isAlarm ? (row) => row[column.name] > 0 : undefined),
  }));
  if (bar) {
    columns.splice(columns.findIndex(({ number }) => number), 0, { title: "", wide: true, text: bar });
  }
  return table([...columns, ...extra], rows, name, { caption, rowsShown });
}
