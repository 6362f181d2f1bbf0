/** The data block of an element: what the site tells the loader about the session to show. */

/** @typedef {{id: string, name: string | null}} Root */
/** @typedef {[kind: "script" | "module" | "style", url: string, global: string]} Link */
/**
 * Made by page/renderer.py.
 *
 * @typedef {object} Block
 * @property {string} app
 * @property {string} ticket
 * @property {string} path      of the websocket, without its `/ws`
 * @property {string} renew     where to POST for a new session, and at `/state` for the state of this one
 * @property {boolean} renewable  whether that POST may be used instead of the page
 * @property {boolean} external  whether the site does not manage its server, which may be an unmodified Bokeh server
 * @property {string} bokeh     version of the BokehJS in the bundles
 * @property {Root[]} roots
 * @property {string[]} bundles URLs needed, in the order of loading
 * @property {boolean} dev      whether the application is being developed
 * @property {string[]} others  URLs that may be needed when the document changes
 * @property {Record<string, Link[]>} links  what models of other packages need, by type: URLs, and for
 *   modules the name of a global for their default export
 * @property {Record<string, string>} copies  URLs on the Internet, with the URLs of their copies on this site
 * @property {string} [root]    name of the root that the element shows; all roots without it
 */

/** Return the data block of an element, if it has one. @param {Element | undefined} element @returns {Block | null} */
export function readBlock(element) {
  const text = element?.querySelector(":scope > script[type='application/json']")?.textContent;
  return text ? JSON.parse(text) : null;
}
