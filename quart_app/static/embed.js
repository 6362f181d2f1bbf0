// @ts-check
/**
 * Shows live Bokeh sessions in the elements `.bokeh-embed` of a page, and tells people what happens to them.
 *
 * Each element holds a data block (see script.py). Elements of one session share one websocket. An element's
 * state is its `data-state`, and the event `bokeh-embed:state` (bubbles; `detail` is {state, text, id}):
 *
 *   loading -> ready -> reconnecting -> ready ...   the session is as it was left
 *                                    -> lost        it is gone: a button gets a new one
 *   loading -> error                                a button tries again
 *
 * BokehJS draws and applies changes; the websocket is ours. Its own client cannot connect again once the
 * page's token is five minutes old, resets the state without a word after a restart of the server, and
 * (3.9) fails for documents with arrays. So after every drop the session is embedded again from scratch.
 */

/** @typedef {{id: string, name: string | null}} Root */
/**
 * @typedef {object} Block
 * @property {string} app
 * @property {string} ticket
 * @property {string} path      of the websocket, without its `/ws`
 * @property {string} renew     where to POST for a new session, and at `/state` for what became of this one
 * @property {string} bokeh     version of the BokehJS in the bundles
 * @property {Root[]} roots
 * @property {string[]} bundles URLs needed, in the order of loading
 * @property {boolean} dev      whether the application is being written
 * @property {string[]} others  URLs that may be needed when the document changes
 * @property {Object<string, [("script" | "module" | "style"), string, string][]>} links  what models of other packages
 *   need, by type: URLs, and for modules the name of a global for their default export
 * @property {Object<string, string>} copies  where files of other packages are on the Internet, and where on this site
 * @property {string} [root]    name of the root that the element shows; all roots without it
 */
/** @typedef {"loading" | "ready" | "reconnecting" | "lost" | "error"} State */
/** @typedef {{header: any, text: string, buffers: Map<string, ArrayBuffer>}} Message */

const TEXT = {
  loading: "The plot is on its way …",
  waiting: "The site does not answer yet. Trying again …",
  reconnecting: "The connection was lost. Trying to get it back …",
  gone: "The session of this plot has ended. Changes made in it were not kept.",
  elsewhere: "This plot has been opened elsewhere. It goes on there.",
  refused: "The session of this plot has ended: the site has restarted, or you have signed out. Changes made in it were not kept.",
  cookie: "This site needs its cookie, which the browser did not send. Allow cookies for this site, and try again.",
  large: "A change was too large for this site and was not kept.",
  busy: "The application is busy …",
  code: "This plot runs text as code, which this site does not allow.",
  moved: "The page does not have this plot now. Reload it: you may have to sign in again.",
  missing: "This part of the plot is not there now.",
  unreachable: "The site could not be reached.",
  failed: "The plot could not be shown.",
};
const GONE = 4410, ELSEWHERE = 4409, TOO_LARGE = 1009;
const SILENCE = 20_000; // milliseconds without a word from the server, while there should be one
const ARRIVAL = 180_000; // the same in the middle of a message: of a part that is on its way a browser tells nothing
const SIGN_OF_LIFE = 5_000; // the same for a plot that was ready, when the network or the tab comes back
const PATIENCE = 15_000; // milliseconds for which a site that is busy, or starts, is asked for a new session
const BUSY = 10_000; // milliseconds without an answer to a change, after which the application is said to be busy
const LONGEST_DELAY = 10_000; // milliseconds between two attempts
const AGAIN = 1_000; // milliseconds until the page of an application that is being written tries again
const QUICK = 300; // milliseconds within which the first attempts of many pages spread

const OURS = new URL("..", import.meta.url).href;
const EXTENSIONS = new URL("extensions/", OURS).pathname;

/** A failure with a text for the person in front of the page, and the id that the log has for it. */
class Failure extends Error {
  /** @param {string} text @param {string | null} [id] */
  constructor(text, id = null) {
    super(text);
    this.id = id;
  }
}

/** Something that ends the session for this page. */
class Lost extends Failure {}

/** What is likely to be over in a moment. */
class Busy extends Failure {}

/** @type {Map<string, Promise<void>>} */
const scripts = new Map();

/** Load scripts at the same time, and run them in their order. @param {string[]} urls */
async function load(urls) {
  urls = urls.map((url) => new URL(url, location.href).href);
  for (const url of urls) {
    if (!scripts.has(url)) {
      scripts.set(url, new Promise((resolve, reject) => {
        const script = document.createElement("script");
        script.src = url;
        script.async = false;
        script.onload = () => resolve();
        script.onerror = () => reject(missing(url));
        document.head.append(script);
      }));
    }
  }
  let failed = null;
  for (const url of urls) {
    // What comes after a script that failed has run without it: all of these are loaded again.
    await scripts.get(url)?.catch((error) => { failed ??= error; });
    if (failed) scripts.delete(url);
  }
  if (failed) throw failed;
}

/** @param {string} url */
function missing(url) {
  return new Failure(`${TEXT.failed} A part of it could not be loaded: ${url}`);
}

/** Load what models of other packages name. @param {Block["links"][string]} links */
async function loadLinks(links) {
  for (const [kind, url] of links) {
    if (kind !== "style" || document.querySelector(`link[href="${CSS.escape(url)}"]`)) continue;
    document.head.append(Object.assign(document.createElement("link"), { rel: "stylesheet", href: url }));
  }
  await load(links.filter(([kind]) => kind === "script").map(([, url]) => url));
  for (const [kind, url, name] of links) {
    if (kind !== "module") continue;
    const module = await import(url).catch(() => { throw missing(url); });
    if (name) Object.assign(window, { [name]: module.default });
  }
}

/** Return JSON with its references to files of extensions leading to this site. @param {string} text @param {Block} block */
function localized(text, { copies }) {
  for (const [there, here] of Object.entries(copies)) text = text.replaceAll(there, here);
  return text.replaceAll(/(["'(])(?:\.\/)?static\/extensions\//g, `$1${EXTENSIONS}`);
}

/** A websocket that takes and gives whole messages. The document is asked for before BokehJS is there. */
class Wire {
  /**
   * @param {Block} block
   * @param {(wire: Wire, message: Message) => void} onmessage
   * @param {(wire: Wire, code: number) => void} onclose  called once, and never after `close`
   */
  constructor(block, onmessage, onclose) {
    this.onmessage = onmessage;
    this.onclose = onclose;
    this.isOpen = false;
    /** @type {(string | ArrayBuffer)[]} */
    this.parts = [];
    /** @type {any} */
    this.header = null;
    /** @type {string | null} */
    this.question = null; // what was asked last, until it is answered
    this.silence = SILENCE;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
    const url = new URL(`${block.path}/ws`, location.href);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    this.socket = new WebSocket(url, ["bokeh", block.ticket]);
    this.socket.binaryType = "arraybuffer";
    this.socket.onopen = () => { this.isOpen = true; };
    this.socket.onmessage = (event) => this.take(event.data);
    this.socket.onclose = (event) => this.end(event.code);
    this.expect();
  }

  /** Give up unless something arrives within so many milliseconds. */
  expect(silence = this.silence) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.end(1006), silence);
  }

  /** @param {string | ArrayBuffer} part */
  take(part) {
    clearTimeout(this.timer);
    this.parts.push(part);
    this.header ??= JSON.parse(/** @type {string} */ (part));
    const { header, parts } = this;
    if (parts.length < 3 + 2 * (header.num_buffers ?? 0)) {
      this.expect(ARRIVAL);
      return;
    }
    const buffers = new Map();
    for (let i = 3; i < parts.length; i += 2) {
      buffers.set(JSON.parse(/** @type {string} */ (parts[i])).id, parts[i + 1]);
    }
    this.parts = [];
    this.header = null;
    if (header.reqid === this.question) this.question = null;
    if (this.question !== null) this.expect(); // this may have been said before it was asked
    this.onmessage(this, { header, text: /** @type {string} */ (parts[2]), buffers });
  }

  /**
   * Ask for something; an answer has the returned id as its `reqid`. Until it has come, no word for so many
   * milliseconds ends the connection.
   * @param {string} msgtype @param {number} silence
   */
  ask(msgtype, silence = SILENCE) {
    const msgid = unique();
    for (const part of [{ msgid, msgtype }, {}, {}]) this.socket.send(JSON.stringify(part));
    this.question = msgid;
    this.silence = silence;
    this.expect();
    return msgid;
  }

  /** @param {number} code */
  end(code) {
    const { onclose } = this;
    this.close();
    onclose(this, code);
  }

  close() {
    clearTimeout(this.timer);
    this.socket.onmessage = this.socket.onclose = null;
    this.onmessage = this.onclose = () => {};
    this.socket.close(1000);
  }
}

/** One session, in one element or several. */
class Session {
  /** @param {Map<HTMLElement, Block>} places */
  constructor(places) {
    this.places = places;
    /** @type {Block} */
    this.block = [...places.values()][0];
    /** @type {any} */
    this.Bokeh = null;
    /** @type {Wire | null} */
    this.wire = null;
    /** @type {string | null} */
    this.pull = null;
    /** @type {any} the document that is shown */
    this.document = null;
    /** @type {HTMLElement[]} the elements in which it is drawn */
    this.hosts = [];
    /** @type {State} */
    this.state = "loading";
    /** What there is to say of a plot that is there: of a change, of the page's policy, of its application. */
    this.remarks = { large: "", missing: "", busy: "" };
    this.attempts = 0;
    /** @type {(() => void) | null} ends the wait before the next attempt */
    this.wake = null;
    /**
     * A tag that we have put on a root, and the root's id. A stock server that has restarted, or let the
     * session expire, makes a new one under the same id without a word: that one has not got the tag.
     * @type {{id: string, tag: string} | null}
     */
    this.mark = null;
    /** @type {Map<string, any[]>} changes of which the server has not said that it has them */
    this.unanswered = new Map();
    /** What has arrived is dealt with in turn. */
    this.turn = Promise.resolve();
  }

  // What people see ------------------------------------------------------------------------------------

  /**
   * @param {State} state
   * @param {string} text
   * @param {{id?: string | null, label?: string, action?: () => void}} [more]
   */
  show(state, text = state === "ready" ? this.remarked : "", { id = null, label = "", action } = {}) {
    this.state = state;
    for (const element of this.places.keys()) {
      element.dataset.state = state;
      element.ariaBusy = String(state === "loading" || state === "reconnecting");
      const note = this.note(element);
      if (note.contains(document.activeElement)) {
        // The button goes; whoever has pressed it stays where they are.
        element.tabIndex = -1;
        element.focus({ preventScroll: true });
      }
      const said = document.createElement("p");
      said.textContent = id && !text.includes(id) ? `${text} (${id})` : text;
      note.replaceChildren(...(text ? [said] : []));
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

  get remarked() {
    return Object.values(this.remarks).filter(Boolean).join(" ");
  }

  /** Say something of a plot that is there, or no longer. @param {"missing" | "busy"} kind @param {string} text */
  remark(kind, text) {
    if (this.remarks[kind] === text) return;
    this.remarks[kind] = text;
    if (this.state === "ready") this.show("ready");
  }

  /** What to say where the page's policy keeps text from being run as code. */
  get noCode() {
    return this.block.dev ? `${TEXT.code} BOKEH_CSP_UNSAFE_EVAL=1 allows it.` : TEXT.code;
  }

  /** Return the place for words in an element. @param {HTMLElement} element */
  note(element) {
    let note = /** @type {HTMLElement | null} */ (element.querySelector(":scope > .bokeh-embed-note"));
    if (note === null) {
      note = document.createElement("div");
      note.className = "bokeh-embed-note";
      note.setAttribute("role", "status");
      element.prepend(note);
    }
    return note;
  }

  /** @param {unknown} error */
  fail(error) {
    this.drop();
    if (this.block.dev) setTimeout(() => sessions.has(this) && this.state !== "loading" && this.renew(), AGAIN);
    if (error instanceof Lost) {
      this.show("lost", error.message, { label: "Start again", action: () => this.renew() });
    } else if (error instanceof Failure) {
      this.show("error", error.message, { id: error.id, label: "Try again", action: () => this.renew() });
    } else {
      console.error(error);
      const why = error instanceof EvalError ? this.noCode : error;
      this.show("error", `${TEXT.failed} ${why}`, { label: "Try again", action: () => this.renew() });
    }
  }

  // From the websocket to the plot ---------------------------------------------------------------------

  /** Attach to the session, for the first time or again. */
  connect() {
    this.drop();
    this.bundles = load(this.block.bundles);
    this.bundles.catch((error) => this.fail(error));
    this.wire = new Wire(
      this.block,
      (wire, message) => {
        this.turn = this.turn.then(async () => {
          if (wire === this.wire) await this.receive(wire, message);
        }).catch((error) => { if (wire === this.wire) this.fail(error); });
      },
      (wire, code) => { if (wire === this.wire) this.dropped(wire, code); },
    );
  }

  /** Let go of the websocket. */
  drop() {
    this.wire?.close();
    this.wire = null;
    this.remarks.busy = "";
    this.wake?.();
  }

  /** @param {Wire} wire @param {Message} message */
  async receive(wire, { header, text, buffers }) {
    text = localized(text, this.block);
    if (header.msgtype === "ACK") {
      this.sendUnanswered(wire);
      this.pull = wire.ask("PULL-DOC-REQ");
    } else if (header.reqid === this.pull) {
      this.pull = null;
      if (header.msgtype === "ERROR") throw new Failure(TEXT.failed);
      await this.embed(wire, text, buffers);
    } else if (header.msgtype === "PATCH-DOC") {
      if (this.pull !== null || this.document === null) return; // the document will have it in it
      await this.complete(text);
      if (wire === this.wire) this.document.apply_json_patch(JSON.parse(text), buffers);
    } else if (header.reqid !== undefined) {
      if (this.unanswered.delete(header.reqid)) this.remark("busy", "");
      if (header.msgtype === "ERROR") console.error(JSON.parse(text).text);
    }
  }

  /** Load what the JSON of a document or a change needs beyond what is there. @param {string} text */
  async complete(text) {
    const { Bokeh } = this;
    const names = (/** @type {string} */ kind) =>
      Array.from(text.matchAll(new RegExp(`"type":\\s*"${kind}",\\s*"name":\\s*"([^"]+)"`, "g")), (m) => m[1]);
    const defined = new Set(names("model"));
    const present = new Set(names("object"));
    const unknown = () => [...present].find((name) =>
      !defined.has(name) && Bokeh.Models.get(name) === null && !this.document?.resolver.get(name));
    const needs = (/** @type {string} */ url) =>
      /\/bokeh-mathjax-/.test(url) ? /\$\$|\\\\\(|\\\\\[/.test(text)
      : /\/bokeh-gl-/.test(url) ? /"webgl"/.test(text)
      : unknown() !== undefined;
    await load(this.block.others.filter(needs));
    await loadLinks(Object.entries(this.block.links).flatMap(([type, links]) => present.has(type) ? links : []));
    const math = Bokeh.loader["@bokehjs/models/text/providers"].default_provider;
    if (math.status === "failed") math.status = "not_started"; // it looks for MathJax once, and any Div makes it look
    const name = unknown();
    if (name !== undefined) throw new Failure(`${TEXT.failed} This site has no script for its ${name}.`);
  }

  /** @param {Wire} wire @param {string} text @param {Map<string, ArrayBuffer>} buffers */
  async embed(wire, text, buffers) {
    await this.bundles;
    const all = /** @type {any} */ (window).Bokeh;
    this.Bokeh = all[this.block.bokeh] ?? all;
    const json = JSON.parse(text).doc;
    try {
      await this.complete(text);
      if (wire === this.wire) await this.draw(wire, json, text, buffers);
    } catch (error) {
      const { version } = this.Bokeh;
      if (error instanceof Lost || error instanceof EvalError || json.version === version) throw error;
      console.error(error);
      throw new Failure(`${TEXT.failed} The Bokeh server has version ${json.version}, this site ${version}.`);
    }
  }

  /** @param {Wire} wire @param {any} json @param {string} text @param {Map<string, ArrayBuffer>} buffers */
  async draw(wire, json, text, buffers) {
    /** @type {string[]} */
    const ids = json.roots.map((/** @type {any} */ root) => root.id);
    const isStock = !content(this.block.ticket).generation; // ours refuses the ids of sessions that it has not
    if (isStock) {
      const known = [...this.block.roots, ...(this.document?.roots() ?? [])].map((root) => root.id);
      const { mark } = this;
      if (!ids.some((id) => known.includes(id)) || (mark !== null && ids.includes(mark.id) && !text.includes(mark.tag))) {
        throw new Lost(TEXT.gone);
      }
    }

    /** @type {any[]} */
    const events = [];
    const next = this.Bokeh.loader["@bokehjs/document"].Document.from_json(json, events, buffers);
    const old = this.document;
    const oldHosts = this.hosts;
    const hosts = this.makeHosts();
    this.document = next;
    this.hosts = [...oldHosts, ...hosts.values()];
    const listener = (/** @type {any} */ event) => this.changed(wire, next, event, old !== null);
    next.on_change(listener, true);
    for (const event of events) listener(event);
    const rest = document.createElement("div");
    const targets = json.roots.map((/** @type {any} */ { id, attributes }) =>
      hosts.get(attributes?.name ?? "") ?? hosts.get(id) ?? null);
    json.roots.forEach((/** @type {any} */ { attributes }, /** @type {number} */ i) => {
      const isHigh = /_(both|height)$/.test(attributes?.sizing_mode ?? "");
      if (isHigh) (targets[i] ?? hosts.get(undefined))?.classList.add("bokeh-embed-stretch");
    });
    try {
      await this.Bokeh.embed.add_document_standalone(next, hosts.get(undefined) ?? rest, targets, false);
    } finally {
      this.discard(old, oldHosts);
    }
    if (wire !== this.wire) return;
    for (const [root, host] of hosts) {
      if (root !== undefined && !targets.includes(host)) this.note(host).textContent = TEXT.missing;
    }
    if (this.mark === null && isStock) {
      const [root] = next.roots();
      this.mark = { id: root.id, tag: `quart-bokeh:${unique()}` };
      root.tags = [...root.tags, this.mark.tag];
    }
    this.attempts = 0;
    this.show("ready");
  }

  /** Make a place to draw in each element, out of sight while an older one is there. */
  makeHosts() {
    /** @type {Map<string | undefined, HTMLElement>} */
    const hosts = new Map();
    for (const [element, { root }] of this.places) {
      const host = document.createElement("div");
      host.className = "bokeh-embed-plot";
      element.append(host);
      hosts.set(root, host);
    }
    return hosts;
  }

  /** Take a document off the page. @param {any} old @param {HTMLElement[]} hosts */
  discard(old, hosts) {
    this.hosts = this.hosts.filter((host) => !hosts.includes(host));
    if (old !== null) {
      old.views_manager?.clear();
      const { documents } = this.Bokeh;
      if (documents.includes(old)) documents.splice(documents.indexOf(old), 1);
    }
    for (const host of hosts) host.remove();
  }

  // From the plot to the server ------------------------------------------------------------------------

  /** @param {Wire} wire @param {any} doc @param {any} change @param {boolean} isAgain */
  changed(wire, doc, change, isAgain) {
    if (wire !== this.wire || doc !== this.document) return;
    const { DocumentEventBatch } = this.Bokeh.loader["@bokehjs/document"];
    const events = (change instanceof DocumentEventBatch ? (change.sync ? change.events : []) : [change])
      .filter((/** @type {any} */ event) => event.sync)
      // An application hears once that its document is ready.
      .filter((/** @type {any} */ event) => !(isAgain && event.msg_data?.event_name === "document_ready"));
    if (events.length > 0) this.send(wire, doc.create_json_patch(events));
  }

  /** @param {Wire} wire @param {any} patch */
  send(wire, patch) {
    const message = this.Bokeh.protocol.Message.create("PATCH-DOC", {}, patch);
    const id = message.msgid();
    this.unanswered.set(id, patch.events);
    setTimeout(() => wire === this.wire && this.unanswered.has(id) && this.remark("busy", TEXT.busy), BUSY);
    message.send(wire.socket);
  }

  /**
   * Send the changes again that may not have arrived. To set a property twice does no harm; a click would
   * count twice, and is left out.
   * @param {Wire} wire
   */
  sendUnanswered(wire) {
    const events = [...this.unanswered.values()].flat().filter((event) => event.kind === "ModelChanged");
    this.unanswered.clear();
    if (events.length > 0) this.send(wire, { events });
  }

  // When the connection goes, and comes back -----------------------------------------------------------

  /** @param {Wire} wire @param {number} code */
  dropped(wire, code) {
    this.drop();
    this.remarks.large = code === TOO_LARGE ? TEXT.large : "";
    if (code === GONE) this.lose(TEXT.gone);
    else if (code === ELSEWHERE) this.fail(new Lost(TEXT.elsewhere));
    else if (code === TOO_LARGE && this.unanswered.size === 0) this.fail(new Failure(`${TEXT.failed} It is too large.`));
    else {
      if (code === TOO_LARGE) this.unanswered.clear(); // one of these was: the plot shows itself without it
      this.reconnect(wire.isOpen);
    }
  }

  /** @param {boolean} wasOpen */
  async reconnect(wasOpen) {
    this.show("reconnecting", this.document === null ? TEXT.waiting : TEXT.reconnecting);
    if (!wasOpen) {
      const said = await this.inquire();
      if (this.wire !== null || this.state !== "reconnecting") return;
      if (said === "gone") return this.lose(TEXT.gone);
      if (said === "refused") return this.lose(this.document === null ? TEXT.cookie : TEXT.refused);
    }
    const delay = this.attempts === 0 ? QUICK : Math.min(LONGEST_DELAY, 500 * 2 ** this.attempts);
    this.attempts += 1;
    await new Promise((resolve) => {
      this.wake = () => resolve(undefined);
      setTimeout(resolve, delay * (this.attempts === 1 ? Math.random() : 0.5 + Math.random() / 2));
    });
    this.wake = null;
    if (this.wire === null && this.state === "reconnecting") this.connect();
  }

  /**
   * Say that the session is gone. One that nobody has seen is replaced instead, once: a full server ends those
   * that wait for longest; and of pages that a new browser opens at the same time each gets a cookie, and the
   * last one is kept.
   * @param {string} text
   */
  lose(text) {
    const elements = [...this.places.keys()];
    if (this.document !== null || elements.some((element) => replaced.has(element))) {
      this.fail(new Lost(text));
    } else {
      elements.forEach((element) => replaced.add(element));
      this.renew();
    }
  }

  /** Ask why a websocket was refused: a browser does not say. @returns {Promise<string>} */
  async inquire() {
    try {
      const response = await post(`${this.block.renew}/state`, { ticket: this.block.ticket });
      return response.ok ? (await response.json()).state : "unknown";
    } catch {
      return "unknown";
    }
  }

  /** The network or the tab is back: try at once, or make sure that the connection is alive. */
  look() {
    if (this.state === "reconnecting") this.wake?.();
    else if (this.wire !== null && this.state === "ready") this.wire.ask("SERVER-INFO-REQ", SIGN_OF_LIFE);
  }

  /** The page goes, perhaps to come back. */
  pause() {
    if (this.wire === null) return;
    this.drop();
    this.show("reconnecting", TEXT.reconnecting);
  }

  resume() {
    if (this.state === "reconnecting" && this.wire === null && this.wake === null) this.connect();
    else this.look();
  }

  // A new session, or none -----------------------------------------------------------------------------

  /** Get a new session for the same elements, without reloading the page. */
  async renew() {
    this.drop();
    for (const element of this.places.keys()) {
      // So that the page does not jump while there is no plot.
      element.style.setProperty("--bokeh-embed-height", `${element.offsetHeight}px`);
    }
    this.show("loading", TEXT.loading);
    try {
      const blocks = await this.fetchBlocks(Date.now() + PATIENCE);
      if (!sessions.has(this)) return;
      const elements = [...this.places.keys()];
      this.end();
      start(elements.map((element, i) => [element, blocks[i]]));
    } catch (error) {
      this.fail(error instanceof Failure ? error : new Failure(TEXT.unreachable));
    }
  }

  /**
   * Return, for each element, what the page itself would hold now. A site that says it will be back soon is
   * asked again.
   * @param {number} until  in milliseconds, as Date.now()
   * @returns {Promise<Block[]>}
   */
  async fetchBlocks(until) {
    try {
      return await this.fetchBlocksOnce();
    } catch (error) {
      if (!(error instanceof Busy) || Date.now() > until) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, 500 + 500 * Math.random()));
    return this.fetchBlocks(until);
  }

  /** @returns {Promise<Block[]>} */
  async fetchBlocksOnce() {
    const elements = [...this.places.keys()];
    if (elements.every((element) => numbers.has(element))) {
      const response = await fetch(location.href, {
        headers: { Accept: "text/html" }, cache: "no-store", redirect: "manual",
      });
      if (response.type === "opaqueredirect") throw new Failure(TEXT.moved);
      const page = new DOMParser().parseFromString(await response.text(), "text/html");
      const told = /** @type {HTMLElement | null} */ (page.querySelector("[data-error]"));
      if (!response.ok) throw refusal(response, told?.dataset.error, told?.textContent);
      const found = page.querySelectorAll(".bokeh-embed");
      const failed = [...found].find((element, i) =>
        element.matches("[data-state='error']") && elements.some((own) => numbers.get(own) === i));
      if (failed) {
        const why = /** @type {HTMLElement | null} */ (failed.querySelector("[data-error]"));
        throw refusal(response, why?.dataset.error, why?.textContent);
      }
      const blocks = elements.map((element) => read(found[numbers.get(element) ?? -1]));
      if (!blocks.every((block) => block?.app === this.block.app)) throw new Failure(TEXT.moved);
      return /** @type {Block[]} */ (blocks);
    }
    if (!content(this.block.ticket).renewable) throw new Failure(TEXT.moved);
    const response = await post(this.block.renew, { ticket: this.block.ticket });
    const answer = await response.json().catch(() => ({}));
    if (!response.ok) throw refusal(response, answer.id, answer.description);
    return elements.map((element) => ({ ...answer, root: this.places.get(element)?.root }));
  }

  /** Leave the page as if the session had never been there. */
  end() {
    this.drop();
    if (this.document !== null) this.discard(this.document, this.hosts);
    this.document = null;
    this.places = new Map();
    sessions.delete(this);
    due.delete(this);
  }
}

function unique() {
  return crypto.getRandomValues(new Uint32Array(4)).join("");
}

/** Return what a ticket says. @param {string} ticket @returns {{generation: string, renewable: boolean}} */
function content(ticket) {
  return JSON.parse(atob(ticket.split(".")[0].replaceAll("-", "+").replaceAll("_", "/")));
}

/** @param {string} url @param {object} asked */
function post(url, asked) {
  return fetch(url, {
    method: "POST",
    headers: { "Content-Type": "application/json", Accept: "application/json" },
    body: JSON.stringify(asked),
    cache: "no-store",
  });
}

/** @param {Response} response @param {string | null} [id] @param {string | null} [text] */
function refusal(response, id, text) {
  const kind = response.headers.has("Retry-After") ? Busy : Failure;
  return new kind(text ?? `${TEXT.failed} The site answered ${response.status}.`, id);
}

/** @type {Set<Session>} */
const sessions = new Set();
/** @type {Set<Session>} those that connect when all elements of this moment are with them */
const due = new Set();
/** @type {WeakSet<Element>} elements whose session was gone before they had a plot, and which got another one */
const replaced = new WeakSet();
/** @type {WeakMap<Element, number>} which `.bokeh-embed` of the page as it was sent an element is */
const numbers = new WeakMap();

/** Return the data block of an element. @param {Element | undefined} element @returns {Block | null} */
function read(element) {
  const text = element?.querySelector(":scope > script[type='application/json']")?.textContent;
  return text ? JSON.parse(text) : null;
}

/** Start the sessions of elements. @param {[HTMLElement, Block][]} pairs */
function start(pairs) {
  /** @type {Map<string, Map<HTMLElement, Block>>} */
  const groups = new Map();
  for (const [element, block] of pairs) {
    const group = groups.get(block.ticket) ?? new Map();
    groups.set(block.ticket, group.set(element, block));
  }
  for (const [ticket, group] of groups) {
    // A session has one websocket, also when its elements come one after the other.
    let session = [...sessions].find((other) => other.block.ticket === ticket);
    if (session) group.forEach((block, element) => session?.places.set(element, block));
    else sessions.add(session = new Session(group));
    session.show("loading", TEXT.loading);
    due.add(session);
  }
  queueMicrotask(() => {
    for (const session of due) session.connect();
    due.clear();
  });
}

/**
 * Show a session in an element that has come into the page later.
 * @param {HTMLElement} element
 * @param {Block | null} [block] as the site's JSON says; without it the element holds its block
 */
function add(element, block = read(element)) {
  if (block === null) throw new TypeError("the element has no data block");
  dispose(element);
  element.classList.add("bokeh-embed");
  start([[element, block]]);
}

/** Take an element's plot off the page, and end its session's connection with the last of its elements. @param {HTMLElement} element */
function dispose(element) {
  for (const session of sessions) {
    if (!session.places.delete(element)) continue;
    if (session.places.size === 0) session.end();
  }
  element.replaceChildren();
  delete element.dataset.state;
}

/** Start all that the page was sent with. */
function startAll() {
  const all = [...document.querySelectorAll(".bokeh-embed")];
  all.forEach((element, i) => numbers.set(element, i));
  start(all.flatMap((element) => {
    const block = read(element);
    return block ? [/** @type {[HTMLElement, Block]} */ ([element, block])] : [];
  }));
}

// What the page says it will need runs at once: the page itself may still be waiting for its session.
/** @type {NodeListOf<HTMLLinkElement>} */
const hints = document.querySelectorAll("link[rel=preload][as=script][data-bokeh-embed]");
load([...new Set([...hints].map((hint) => hint.href))]).catch(() => {}); // who needs it asks again
if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", startAll);
else startAll();

addEventListener("online", () => sessions.forEach((session) => session.look()));
addEventListener("pagehide", () => sessions.forEach((session) => session.pause()));
addEventListener("pageshow", (event) => { if (event.persisted) sessions.forEach((session) => session.resume()); });
addEventListener("securitypolicyviolation", ({ sourceFile, blockedURI, disposition }) => {
  if (disposition !== "enforce" || !sourceFile.startsWith(OURS)) return;
  for (const session of sessions) {
    const text = blockedURI === "eval" ? session.noCode : `Something may be missing here: this page allows no ${blockedURI}.`;
    session.remark("missing", text);
  }
});
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "visible") sessions.forEach((session) => session.look());
});

Object.assign(window, { bokehEmbed: { add, dispose } });
