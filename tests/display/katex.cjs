// Reads a JSON list of formulas, and writes for each one what KaTeX in its strict mode says against
// it, null if nothing. KaTeX is found as node finds modules: in a node_modules folder above this
// one, or in a folder that NODE_PATH names. Without it, the exit status is 3.

"use strict";

let katex;
try {
  katex = require("katex");
} catch {
  process.exit(3);
}

function complaint(formula) {
  try {
    katex.renderToString(formula, { displayMode: true, strict: "error", throwOnError: true });
    return null;
  } catch (error) {
    return error.message;
  }
}

const formulas = JSON.parse(require("fs").readFileSync(0, "utf8"));
process.stdout.write(JSON.stringify(formulas.map(complaint)));
