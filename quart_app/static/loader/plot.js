/** A document of a session, drawn in hosts. */

import { showMissing } from "./view.js";

/** @typedef {import("./bokehjs.js").BokehJS} BokehJS */
/** @typedef {import("./bokehjs.js").ChangeEvent} ChangeEvent */
/** @typedef {import("./bokehjs.js").ChangeBatch} ChangeBatch */
/** @typedef {import("./bokehjs.js").DocumentJson} DocumentJson */
/** @typedef {import("./view.js").View} View */

const DEFAULT_TITLE = "Bokeh Application"; // of a document whose application has set none
const TAKES_TITLE = "meta[name=bokeh-embed-title]"; // site/pages.py puts it into the page of an application

export class Plot {
  /**
   * @param {BokehJS} bokehjs @param {DocumentJson} json @param {Map<string, ArrayBuffer>} buffers
   * @param {View} view
   */
  constructor(bokehjs, json, buffers, view) {
    this.bokehjs = bokehjs;
    /** @type {ChangeEvent[]} changes that the making of the document caused */
    this.events = [];
    this.document = bokehjs.decode(json, this.events, buffers);
    this.view = view;
    this.isConnectionLost = false;
    this.hosts = view.addHosts();
    /** @type {(HTMLElement | null)[]} where each root of the document stands */
    this.targets = [];
  }

  /**
   * Call `onEvents` with those events of each change that are for the server, from the making of the document on.
   * @param {boolean} isFirst  whether "document_ready" has not yet been triggered in this session
   * @param {(events: ChangeEvent[]) => void} onEvents
   */
  listen(isFirst, onEvents) {
    if (!isFirst) this.bokehjs.silenceReady(this.document);
    const listener = (/** @type {ChangeEvent | ChangeBatch} */ change) => {
      const events = this.bokehjs.syncedEvents(change);
      if (events.length > 0) onEvents(events);
      const kinds = this.bokehjs.eventsOf(change).map(({ kind }) => kind);
      if (kinds.includes("RootAdded") || kinds.includes("RootRemoved")) this.place();
      if (kinds.includes("TitleChanged")) this.showTitle();
    };
    this.document.on_change(listener, true);
    this.events.forEach(listener);
  }

  /** Draw each root in its target, those without one in the host for all roots. */
  async draw() {
    this.place();
    this.showTitle();
    const unseen = document.createElement("div");
    await this.bokehjs.draw(this.document, this.hosts.get(undefined) ?? unseen, this.targets);
  }

  /** Find the targets of the roots: the hosts with their names or ids. */
  place() {
    const { hosts, targets } = this;
    const roots = this.document.roots();
    targets.splice(0, targets.length, ...roots.map(({ id, name }) => hosts.get(name ?? "") ?? hosts.get(id) ?? null));
    roots.forEach(({ sizing_mode }, i) => {
      const isHigh = /_(both|height)$/.test(sizing_mode ?? "");
      if (isHigh) (targets[i] ?? hosts.get(undefined))?.classList.add("bokeh-embed-stretch");
    });
    for (const [root, host] of hosts) {
      if (root !== undefined) showMissing(host, !targets.includes(host));
    }
  }

  /** Give the page the document's title if the page is the site's own. Pages of others keep theirs. */
  showTitle() {
    const title = this.document.title();
    if (title !== DEFAULT_TITLE && document.querySelector(TAKES_TITLE)) document.title = title;
  }

  /** Tell the document, once, that its connection is lost. */
  connectionLost() {
    if (this.isConnectionLost) return;
    this.isConnectionLost = true;
    this.bokehjs.sendConnectionLost(this.document);
  }

  /** Tell the document that the connection is back. */
  reconnected() {
    this.bokehjs.sendReconnected(this.document);
  }

  /** Take the plot off the page. */
  discard() {
    this.bokehjs.discard(this.document);
    this.view.removeHosts(this.hosts);
  }
}
