/** What people see of a session in its elements: the state, a note with a text and a button, and hosts of plots. */

import { TEXT } from "./texts.js";

/** @typedef {"loading" | "ready" | "reconnecting" | "lost" | "error"} State */
/** @typedef {{id?: string | null, label?: string, action?: () => void}} Extras  an id in the site's log, a button */
/** @typedef {Map<string | undefined, HTMLElement>} Hosts  by the name of a root; undefined is for all roots */

export class View {
  constructor() {
    /** @type {Map<HTMLElement, string | undefined>} with the name of the root that an element shows; all without it */
    this.places = new Map();
    /** @type {State} */
    this.state = "loading";
    /** Texts beside a plot that is ready: about a change, the page's policy, its application. */
    this.remarks = { large: "", missing: "", busy: "" };
    /** @type {HTMLElement[]} in which plots are drawn */
    this.hosts = [];
  }

  get elements() {
    return [...this.places.keys()];
  }

  /** @param {State} state @param {string} [text]  the remarks if it is left out @param {Extras} [extras] */
  show(state, text = Object.values(this.remarks).filter(Boolean).join(" "), { id = null, label = "", action } = {}) {
    this.state = state;
    for (const element of this.elements) {
      element.dataset.state = state;
      element.ariaBusy = String(state === "loading" || state === "reconnecting");
      const note = noteOf(element);
      if (note.contains(document.activeElement)) {
        // The focused button is about to go: keep the focus at this place of the page.
        element.tabIndex = -1;
        element.focus({ preventScroll: true });
      }
      const paragraph = document.createElement("p");
      paragraph.textContent = id && !text.includes(id) ? `${text} (${id})` : text;
      note.replaceChildren(...(text ? [paragraph] : []));
      if (action) {
        const button = document.createElement("button");
        button.type = "button";
        button.textContent = label;
        button.onclick = action;
        note.append(button);
      }
      element.dispatchEvent(new CustomEvent("bokeh-embed:state", { bubbles: true, detail: { state, text, id } }));
    }
    for (const host of this.hosts) host.inert = state !== "ready";
  }

  /** Say that the application is busy. */
  showBusy() {
    if (this.state === "ready") this.remark("busy", TEXT.busy);
    else this.show(this.state, TEXT.busy);
  }

  /** Set or clear a remark. @param {"large" | "missing" | "busy"} kind @param {string} text */
  remark(kind, text) {
    if (this.remarks[kind] === text) return;
    this.remarks[kind] = text;
    if (this.state === "ready") this.show("ready");
  }

  /** Keep the height of the elements while there is no plot, so that the page does not jump. */
  keepHeight() {
    for (const element of this.elements) {
      element.style.setProperty("--bokeh-embed-height", `${element.offsetHeight}px`);
    }
  }

  /** Make a host in each element. It stays hidden while an older one is there. */
  addHosts() {
    /** @type {Hosts} */
    const hosts = new Map();
    for (const [element, root] of this.places) {
      const host = document.createElement("div");
      host.className = "bokeh-embed-plot";
      element.append(host);
      hosts.set(root, host);
      this.hosts.push(host);
    }
    return hosts;
  }

  /** @param {Hosts} hosts */
  removeHosts(hosts) {
    const removed = new Set(hosts.values());
    removed.forEach((host) => host.remove());
    this.hosts = this.hosts.filter((host) => !removed.has(host));
  }
}

/** Say in a host whether the document lacks its root. @param {HTMLElement} host @param {boolean} isMissing */
export function showMissing(host, isMissing) {
  if (isMissing) noteOf(host).textContent = TEXT.missing;
  else host.querySelector(":scope > .bokeh-embed-note")?.remove();
}

/** Return the note of an element. @param {HTMLElement} element */
function noteOf(element) {
  let note = /** @type {HTMLElement | null} */ (element.querySelector(":scope > .bokeh-embed-note"));
  if (note === null) {
    note = document.createElement("div");
    note.className = "bokeh-embed-note";
    note.setAttribute("role", "status");
    element.prepend(note);
  }
  return note;
}
