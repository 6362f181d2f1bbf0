/**
 * Tells whether a stock Bokeh server still has the session of a page. One that has restarted, or has let the
 * session expire, makes another session under the same id without an error. So the page puts a tag on a root,
 * which another session does not have.
 */

import { uniqueId } from "./wire.js";

/** @typedef {import("./bokehjs.js").BokehDocument} BokehDocument */

export class SessionMarker {
  constructor() {
    /** @type {{id: string, tag: string} | null} the id of the tagged root, and the tag */
    this.mark = null;
  }

  /**
   * Whether a document is of the same session.
   * @param {string[]} ids  of the document's roots
   * @param {string} text  the document's JSON
   * @param {string[]} known  ids of roots that the session is known to have had
   */
  isIn(ids, text, known) {
    if (!ids.some((id) => known.includes(id))) return false;
    return this.mark === null || !ids.includes(this.mark.id) || text.includes(this.mark.tag);
  }

  /** Tag a document, once. @param {BokehDocument} document */
  put(document) {
    if (this.mark !== null) return;
    const [root] = document.roots();
    this.mark = { id: root.id, tag: `quart-bokeh:${uniqueId()}` };
    root.tags = [...root.tags, this.mark.tag];
  }
}
