/** Loads the bundles and files that the JSON of a document, or of a change of one, needs beyond what is there. */

import { loadLinks, loadScripts } from "./scripts.js";
import { Failure, TEXT } from "./texts.js";

/** @typedef {import("./blocks.js").Block} Block */
/** @typedef {import("./bokehjs.js").BokehDocument} BokehDocument */
/** @typedef {import("./bokehjs.js").BokehJS} BokehJS */

/**
 * @param {string} text @param {Block} block @param {BokehJS} bokehjs
 * @param {BokehDocument | null} document  the one that changes
 */
export async function loadRequirements(text, block, bokehjs, document) {
  const defined = new Set(namesOf(text, "model"));
  const used = new Set(namesOf(text, "object"));
  const unknown = () => [...used].find((name) => !defined.has(name) && !bokehjs.hasModel(name, document));
  const isNeeded = (/** @type {string} */ url) =>
    /\/bokeh-mathjax-/.test(url) ? /\$\$|\\\\\(|\\\\\[/.test(text)
    : /\/bokeh-gl-/.test(url) ? /"webgl"/.test(text)
    : unknown() !== undefined;
  await loadScripts(block.others.filter(isNeeded));
  await loadLinks(Object.entries(block.links).flatMap(([type, links]) => used.has(type) ? links : []));
  bokehjs.retryMathJax();
  const name = unknown();
  if (name !== undefined) throw new Failure(`${TEXT.failed} This site has no script for its ${name}.`);
}

/** Return the names of models in JSON. @param {string} text @param {"model" | "object"} type  defined or used there */
function namesOf(text, type) {
  const pattern = new RegExp(`"type":\\s*"${type}",\\s*"name":\\s*"([^"]+)"`, "g");
  return Array.from(text.matchAll(pattern), (match) => match[1]);
}
