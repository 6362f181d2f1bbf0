/**
 * Shows live Bokeh sessions in the elements `.bokeh-embed` of a page, and tells people their state.
 *
 * Each element holds a data block (blocks.js). Elements of one session share one websocket. An element's state is
 * its `data-state`, and the event `bokeh-embed:state` (it bubbles; `detail` is {state, text, id}):
 *
 *   loading -> ready -> reconnecting -> ready ...   the session is as it was left
 *                                    -> lost        it is gone: a button gets a new one
 *   loading -> error                                a button tries again
 *
 * Elements that are inserted later are shown too, and the plots of removed ones end. `bokehEmbed.add(element, block)` is
 * for elements without a data block, `bokehEmbed.dispose(element)` for those that stay.
 */

import { add, dispose, sessions, startAll } from "./page.js";
import { loadScripts } from "./scripts.js";
import { SITE_URL } from "./urls.js";

// Run the scripts that the page will need while it may still be waiting for its session.
/** @type {NodeListOf<HTMLLinkElement>} */
const hints = document.querySelectorAll("link[rel=preload][as=script][data-bokeh-embed]");
loadScripts([...new Set([...hints].map((hint) => hint.href))]).catch(() => {}); // a session asks again
if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", startAll);
else startAll();

addEventListener("online", () => sessions.forEach((session) => session.checkAlive()));
addEventListener("pagehide", () => sessions.forEach((session) => session.pause()));
addEventListener("pageshow", (event) => { if (event.persisted) sessions.forEach((session) => session.resume()); });
addEventListener("securitypolicyviolation", ({ sourceFile, blockedURI, disposition }) => {
  if (disposition !== "enforce" || !sourceFile.startsWith(SITE_URL)) return;
  sessions.forEach((session) => session.blocked(blockedURI));
});
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "visible") sessions.forEach((session) => session.checkAlive());
});

Object.assign(window, { bokehEmbed: { add, dispose } });
