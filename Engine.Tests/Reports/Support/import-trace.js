// Imports a trace with the importer of chrome://tracing, which the npm package bigrig carries, and prints what came of it.
// Arguments: the package's folder and the trace.

const fs = require("fs");
const [folder, file] = process.argv.slice(2);

require(`${folder}/lib/global-config.js`).enable();
require(`${folder}/lib/third_party/tracing/importer/import.js`);
require(`${folder}/lib/third_party/tracing/extras/importer/trace_event_importer.js`);
require(`${folder}/lib/tracing-config.js`);

// Warnings are told below; the importer also writes them to the console.
console.warn = () => {};

const model = new tr.Model();
const options = new tr.importer.ImportOptions();
options.showImportWarnings = true;
new tr.importer.Import(model, options).importTraces([fs.readFileSync(file, "utf8")]);

process.stdout.write(JSON.stringify({
  warnings: model.importWarnings.map((warning) => warning.message),
  processes: Object.values(model.processes).map((item) => ({
    name: item.name,
    threads: Object.values(item.threads).map((thread) => ({
      name: thread.name,
      slices: thread.sliceGroup.slices.map((slice) => ({ title: slice.title, start: slice.start, duration: slice.duration })),
      spans: thread.asyncSliceGroup.slices.map((slice) => ({ title: slice.title, start: slice.start, duration: slice.duration })),
    })),
    counters: Object.values(item.counters).map((counter) => ({
      name: counter.name,
      series: counter.series.map((series) => ({ name: series.name, values: series.samples.map((sample) => sample.value) })),
    })),
  })),
}));
