/** Loading of scripts, modules and style sheets, each URL once. */

import { Failure, TEXT } from "./texts.js";
import { siteUrl } from "./urls.js";

/** @typedef {import("./blocks.js").Link} Link */

/** @type {Map<string, Promise<void>>} by URL */
const scripts = new Map();

/** Load scripts in parallel and run them in their order. @param {string[]} urls */
export async function loadScripts(urls) {
  urls = urls.map((url) => siteUrl(url).href);
  for (const url of urls) {
    if (!scripts.has(url)) scripts.set(url, loadScript(url));
  }
  let failed = null;
  for (const url of urls) {
    // Scripts behind one that failed have run without it, and are loaded again too.
    await scripts.get(url)?.catch((error) => { failed ??= error; });
    if (failed) scripts.delete(url);
  }
  if (failed) throw failed;
}

/** @param {string} url @returns {Promise<void>} */
function loadScript(url) {
  return new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = url;
    script.async = false;
    script.onload = () => resolve();
    script.onerror = () => reject(notLoaded(url));
    document.head.append(script);
  });
}

/** @param {string} url */
function notLoaded(url) {
  return new Failure(`${TEXT.failed} A part of it could not be loaded: ${url}`);
}

/** Load what models of other packages name. @param {Link[]} links */
export async function loadLinks(links) {
  for (const [kind, url] of links) {
    if (kind !== "style" || document.querySelector(`link[href="${CSS.escape(url)}"]`)) continue;
    document.head.append(Object.assign(document.createElement("link"), { rel: "stylesheet", href: url }));
  }
  await loadScripts(links.filter(([kind]) => kind === "script").map(([, url]) => url));
  for (const [kind, url, global] of links) {
    if (kind !== "module") continue;
    const module = await import(url).catch(() => { throw notLoaded(url); });
    if (global) Object.assign(window, { [global]: module.default });
  }
}
