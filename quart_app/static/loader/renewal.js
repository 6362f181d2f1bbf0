/** Data blocks of new sessions, for elements whose session has ended. */

import { readBlock } from "./blocks.js";
import { Failure, SiteBusy, TEXT } from "./texts.js";
import { siteUrl } from "./urls.js";

/** @typedef {import("./blocks.js").Block} Block */

const RETRY_PERIOD = 15_000; // milliseconds for which a busy site is asked again

/** @type {WeakMap<Element, number>} which `.bokeh-embed` of the page as it was sent an element is */
const numbers = new WeakMap();
/** @type {Promise<Document> | null} the page that is being fetched, for all who need it */
let pageRequest = null;

/**
 * Note the elements with which the page was sent, if it has a URL from which it can be fetched again. A frame with
 * `srcdoc` has none. @param {Element[]} elements  all, in their order
 */
export function numberElements(elements) {
  if (!/^https?:$/.test(location.protocol)) return;
  elements.forEach((element, i) => numbers.set(element, i));
}

/** Whether fetching the page gives all of these elements new blocks. @param {Element[]} elements */
export function areOfPage(elements) {
  return elements.every((element) => numbers.has(element));
}

/**
 * Return a new block for each element: what the page itself would hold now, or what the site answers to a POST.
 * Requests for the page at the same time are one.
 * @param {Map<HTMLElement, string | undefined>} places  the elements, with the names of their roots
 * @param {Block} block  their old one
 * @returns {Promise<[HTMLElement, Block][]>}
 */
export async function newBlocks(places, block) {
  const elements = [...places.keys()];
  if (!areOfPage(elements)) {
    if (!block.renewable) throw new Failure(TEXT.moved);
    const renewed = await whileBusy(() => postForBlock(block));
    return [...places].map(([element, root]) => [element, { ...renewed, root }]);
  }
  pageRequest ??= whileBusy(fetchPage).finally(() => { pageRequest = null; });
  const found = (await pageRequest).querySelectorAll(".bokeh-embed");
  return elements.map((element) => {
    const own = found[numbers.get(element) ?? -1];
    if (own?.matches("[data-state='error']")) {
      const [text, id] = errorIn(own);
      throw new Failure(text ?? TEXT.failed, id);
    }
    const renewed = readBlock(own);
    if (renewed?.app !== block.app) throw new Failure(TEXT.moved);
    return [element, renewed];
  });
}

/**
 * Ask the site why it refuses a websocket, which browsers do not tell.
 * @param {Block} block @returns {Promise<string>}
 */
export async function sessionState({ renew, ticket }) {
  try {
    const response = await post(`${renew}/state`, { ticket });
    return response.ok ? (await response.json()).state : "unknown";
  } catch {
    return "unknown";
  }
}

/** @template T @param {() => Promise<T>} request  repeated while it throws SiteBusy @returns {Promise<T>} */
async function whileBusy(request) {
  const end = Date.now() + RETRY_PERIOD;
  for (;;) {
    try {
      return await request();
    } catch (error) {
      if (!(error instanceof SiteBusy) || Date.now() > end) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, 500 + 500 * Math.random()));
  }
}

/** @returns {Promise<Document>} */
async function fetchPage() {
  const response = await fetch(location.href, {
    headers: { Accept: "text/html" }, cache: "no-store", redirect: "manual",
  });
  if (response.type === "opaqueredirect") throw new Failure(TEXT.moved);
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  if (!response.ok) throw refusal(response, ...errorIn(page));
  return page;
}

/** @param {Block} block @returns {Promise<Block>} */
async function postForBlock({ renew, ticket }) {
  const response = await post(renew, { ticket });
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw refusal(response, answer.description, answer.id);
  return answer;
}

/**
 * Return the text and the id of the error in a part of a page.
 * @param {ParentNode} part @returns {[string | null, string | null]}
 */
function errorIn(part) {
  const error = /** @type {HTMLElement | null} */ (part.querySelector("[data-error]"));
  return [error?.textContent ?? null, error?.dataset.error ?? null];
}

/** @param {Response} response @param {string | null} [text] @param {string | null} [id] */
function refusal(response, text, id) {
  const kind = response.headers.has("Retry-After") ? SiteBusy : Failure;
  return new kind(text ?? `${TEXT.failed} The site answered ${response.status}.`, id);
}

/** @param {string} url @param {object} content */
function post(url, content) {
  return fetch(siteUrl(url), {
    method: "POST",
    headers: { "Content-Type": "application/json", Accept: "application/json" },
    body: JSON.stringify(content),
    cache: "no-store",
  });
}
