/** A document of a session, drawn in hosts. */

import { showMissing } from "./view.js";

/** @typedef {import("./bokehjs.js").BokehJS} BokehJS */
/** @typedef {import("./bokehjs.js").ChangeEvent} ChangeEvent */
/** @typedef {import("./bokehjs.js").ChangeBatch} ChangeBatch */
/** @typedef {import("./bokehjs.js").DocumentJson} DocumentJson */
/** @typedef {import("./view.js").View} View */

export class Plot {
  /**
   * @param {BokehJS} bokehjs @param {DocumentJson} json @param {Map<string, ArrayBuffer>} buffers
   * @param {View} view
   */
  constructor(bokehjs, json, buffers, view) {
    this.bokehjs = bokehjs;
    this.roots = json.roots;
    /** @type {ChangeEvent[]} changes that the making of the document caused */
    this.events = [];
    this.document = bokehjs.decode(json, this.events, buffers);
    this.view = view;
    this.hosts = view.addHosts();
  }

  /**
   * Call `onEvents` with those events of each change that are for the server, from the making of the document on.
   * @param {boolean} isFirst  whether the application has not yet been told that its document is ready
   * @param {(events: ChangeEvent[]) => void} onEvents
   */
  listen(isFirst, onEvents) {
    const listener = (/** @type {ChangeEvent | ChangeBatch} */ change) => {
      const events = this.bokehjs.syncedEvents(change)
        .filter((event) => isFirst || event.msg_data?.event_name !== "document_ready");
      if (events.length > 0) onEvents(events);
    };
    this.document.on_change(listener, true);
    this.events.forEach(listener);
  }

  /** Draw each root in the host with its name or id, or in the host for all roots. */
  async draw() {
    const { hosts, roots } = this;
    const hostOfAll = hosts.get(undefined);
    const targets = roots.map(({ id, attributes }) => hosts.get(attributes?.name ?? "") ?? hosts.get(id) ?? null);
    roots.forEach(({ attributes }, i) => {
      const isHigh = /_(both|height)$/.test(attributes?.sizing_mode ?? "");
      if (isHigh) (targets[i] ?? hostOfAll)?.classList.add("bokeh-embed-stretch");
    });
    const unseen = document.createElement("div");
    await this.bokehjs.draw(this.document, hostOfAll ?? unseen, targets);
    for (const [root, host] of hosts) {
      if (root !== undefined && !targets.includes(host)) showMissing(host);
    }
  }

  /** Take the plot off the page. */
  discard() {
    this.bokehjs.discard(this.document);
    this.view.removeHosts(this.hosts);
  }
}
