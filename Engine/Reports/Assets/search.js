// Search in everything that has a name: rows of all tables, and frames by their number. "/" goes to the field.

const resultsShown = 20;

function showSearch() {
  const results = element("ol", { id: "results", hidden: "" });
  const status = element("p", { class: "muted", role: "status" });
  const field = element("input", {
    type: "search", id: "search", placeholder: "Search  /", "aria-label": "Search names and frames", autocomplete: "off", oninput: () => find(field.value),
    onkeydown: (event) => {
      if (event.key === "Enter") {
        results.querySelector("button")?.click();
      } else if (event.key === "Escape") {
        field.value = "";
        find("");
      }
    },
    onfocus: () => find(field.value),
  });

  const goTo = (result) => {
    results.hidden = true;
    result.go();
  };

  function find(text) {
    const wanted = text.trim().toLowerCase();
    const found = wanted === "" ? [] : [...frameResults(wanted), ...tableResults(wanted)];
    results.hidden = found.length === 0;
    results.replaceChildren(...found.slice(0, resultsShown).map((result) =>
      element("li", {}, element("button", { type: "button", onclick: () => goTo(result) }, element("span", { class: "muted" }, result.where), ` ${result.text}`))));
    status.textContent = wanted === "" ? "" : found.length === 0 ? "nothing found" : found.length > resultsShown ? `${resultsShown} of ${countText(found.length)} shown` : counted(found.length, "result");
  }

  addEventListener("keydown", (event) => {
    if (event.key === "/" && !(document.activeElement instanceof HTMLInputElement) && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      field.focus();
    }
  });
  section("contents").before(element("search", {}, field, status, results));
}

/** "1,234" and "frame 1234" are a frame's number. */
function frameResults(wanted) {
  const [, number] = /^(?:frame )?([\d,]+)$/.exec(wanted) ?? [];
  const index = number === undefined ? -1 : Number(number.replaceAll(",", "")) - profile.frames.first;
  return index >= 0 && index < frameTimes.length ? [{ where: "Frames:", text: `frame ${countText(index + profile.frames.first)}, ${timeText(frameTimes[index])}`, go: () => pageState.openFrame(index) }] : [];
}

const tableResults = (wanted) => shownTables.filter(({ root }) => root.isConnected).flatMap(({ root, rows, textOf, reveal }) => {
  const where = `${root.closest("section").querySelector("h2").textContent}:`;
  return rows.map((row) => ({ where, row, text: textOf(row) })).filter(({ text }) => text.toLowerCase().includes(wanted)).map((result) => ({ ...result, go: () => reveal(result.row) }));
});
