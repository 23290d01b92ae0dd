// Files from the page: tables and curves as CSV, pictures as PNG. Nothing leaves the browser.

function saveFile(name, blob) {
  const link = element("a", { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}

/** RFC 4180, as the engine writes its tables: raw numbers, quotes where a field needs them. */
function csvText(heading, rows) {
  const field = (value) => {
    const text = String(value ?? "");
    return /[",\r\n]/.test(text) ? `"${text.replaceAll("\"", "\"\"")}"` : text;
  };
  return [heading, ...rows].map((row) => `${row.map(field).join(",")}\r\n`).join("");
}

const fileName = (text, ending) => `${text.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-").replaceAll(/^-|-$/g, "")}.${ending}`;

function saveCsv(name, heading, rows) {
  saveFile(fileName(name, "csv"), new Blob([csvText(heading, rows)], { type: "text/csv" }));
}

const drawnStyles = ["fill", "stroke", "stroke-width", "stroke-dasharray", "stroke-linejoin", "opacity", "paint-order", "text-anchor", "font-size", "font-family"];

/** A picture with the colours of the page, which a file of its own does not know. */
function standalone(picture) {
  const copy = picture.cloneNode(true);
  const originals = [picture, ...picture.querySelectorAll("*")];
  [copy, ...copy.querySelectorAll("*")].forEach((node, index) => {
    const style = getComputedStyle(originals[index]);
    node.removeAttribute("style");
    drawnStyles.forEach((name) => node.setAttribute(name, style.getPropertyValue(name)));
  });
  const { width, height } = picture.getBoundingClientRect();
  copy.setAttribute("width", width);
  copy.setAttribute("height", height);
  return copy;
}

/** Twice as many pixels as on the screen, on the section's background. */
async function savePng(name, picture) {
  const { width, height } = picture.getBoundingClientRect();
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(new XMLSerializer().serializeToString(standalone(picture)))}`;
  await image.decode();
  const canvas = element("canvas", { width: 2 * width, height: 2 * height });
  const context = canvas.getContext("2d");
  context.fillStyle = getComputedStyle(picture.closest("section")).backgroundColor;
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(image, 0, 0, canvas.width, canvas.height);
  canvas.toBlob((blob) => saveFile(fileName(name, "png"), blob), "image/png");
}

/** Buttons of a chart; csv() gives [heading, rows]. */
const downloadButtons = (label, picture, csv) => [
  csv && element("button", { type: "button", class: "save", "aria-label": `Save as CSV: ${label}`, onclick: () => saveCsv(label, ...csv()) }, "CSV"),
  element("button", { type: "button", class: "save", "aria-label": `Save as PNG: ${label}`, onclick: () => savePng(label, picture()) }, "PNG"),
].filter(Boolean);
