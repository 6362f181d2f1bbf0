/** The sessions of the page, and the elements that come and go. */

import { readBlock } from "./blocks.js";
import { areOfPage, numberElements } from "./renewal.js";
import { Session } from "./session.js";
import { TEXT } from "./texts.js";

/** @typedef {import("./blocks.js").Block} Block */
/** @typedef {import("./session.js").Pair} Pair */

/** @type {Set<Session>} */
export const sessions = new Set();
/** @type {Set<Session>} those to connect when all elements of this turn of the event loop are with them */
const due = new Set();
/** @type {WeakSet<HTMLElement>} elements that have been in the page */
const seen = new WeakSet();
/** @type {WeakMap<HTMLElement, Block>} blocks of elements that have left the page, in case they come back */
const left = new WeakMap();

/** Show the sessions of all elements with which the page was sent. */
export function startAll() {
  /** @type {NodeListOf<HTMLElement>} */
  const elements = document.querySelectorAll(".bokeh-embed");
  numberElements([...elements]);
  start([...elements].flatMap((element) => {
    const block = readBlock(element);
    return block ? [[element, block]] : [];
  }));
  new MutationObserver(follow).observe(document, { childList: true, subtree: true });
  follow();
}

/** Show sessions in the elements that have come into the page, and end those of elements that have left it. */
function follow() {
  const shown = new Set([...sessions].flatMap(({ view }) => view.elements));
  for (const element of shown) {
    if (element.isConnected) seen.add(element);
    else if (seen.has(element)) leave(element);
  }
  /** @type {NodeListOf<HTMLElement>} */
  const elements = document.querySelectorAll(".bokeh-embed[data-state=loading]");
  start([...elements].flatMap((element) => {
    const block = shown.has(element) ? null : left.get(element) ?? readBlock(element);
    return block ? [[element, block]] : [];
  }));
}

/**
 * Show sessions in elements. A session has one websocket, also when its elements come one by one.
 * @param {Pair[]} pairs
 */
function start(pairs) {
  /** @type {Set<Session>} */
  const started = new Set();
  for (const [element, block] of pairs) {
    let session = [...sessions].find((other) => other.block.ticket === block.ticket);
    if (session === undefined) sessions.add(session = new Session(block, startAgain, renewed));
    session.view.places.set(element, block.root);
    started.add(session);
  }
  for (const session of started) {
    session.view.show("loading", TEXT.loading);
    due.add(session);
  }
  queueMicrotask(() => {
    for (const session of due) session.connect();
    due.clear();
  });
}

/** @param {Session} session */
function remove(session) {
  session.end();
  sessions.delete(session);
  due.delete(session);
}

/**
 * Renew a session. If the page has to be fetched for that, renew all of its sessions that have none.
 * @param {Session} wanted
 */
function startAgain(wanted) {
  const isOfPage = (/** @type {Session} */ { view }) => areOfPage(view.elements);
  for (const session of sessions) {
    const isOther = session.needsRenewal && isOfPage(session) && isOfPage(wanted);
    if (session === wanted || isOther) session.renew();
  }
}

/** @param {Session} session @param {Pair[]} pairs */
function renewed(session, pairs) {
  remove(session);
  start(pairs);
}

/**
 * Show a session in an element that has come into the page later.
 * @param {HTMLElement} element
 * @param {Block | null} [block]  as the site's JSON has it; without it the element holds its block
 */
export function add(element, block = readBlock(element)) {
  if (block === null) throw new TypeError("the element has no data block");
  dispose(element);
  element.classList.add("bokeh-embed");
  start([[element, block]]);
}

/** Forget an element. With the last one of a session its connection is closed. @param {HTMLElement} element */
function forget(element) {
  for (const session of sessions) {
    if (session.view.places.delete(element) && session.view.places.size === 0) remove(session);
  }
}

/** End the plot of an element that has left the page. It begins anew if it comes back. @param {HTMLElement} element */
function leave(element) {
  for (const { block, view } of sessions) {
    if (view.places.has(element)) left.set(element, { ...block, root: view.places.get(element) });
  }
  forget(element);
  element.querySelectorAll(":scope > .bokeh-embed-plot").forEach((host) => host.remove());
  element.dataset.state = "loading";
}

/**
 * Take an element's plot off the page. With the last element of a session its connection is closed.
 * @param {HTMLElement} element
 */
export function dispose(element) {
  forget(element);
  left.delete(element);
  element.replaceChildren();
  delete element.dataset.state;
}
