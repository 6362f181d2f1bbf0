/**
 * BokehJS. No other module touches its internal names; `missingNames` tells which of them have gone.
 *
 * Bokeh 4 (read in 4.0.0.dev8): only `embed.add_document_standalone` has gone. Instead
 * `Bokeh.mount(Bokeh.MountSource.from_document(document), {key: host})` returns a handle with the promise `ready`.
 * `Bokeh.Document` is exported; its `from_json` takes {events, buffers} (the arguments used here still work) and
 * its `destroy()` does what `discard` does here. The message class has changed too: see wire.js.
 */

/** @typedef {import("./wire.js").Patch} Patch */
/** @typedef {{id: string, tags: unknown[], name: string | null, sizing_mode?: string | null}} Model */
/** @typedef {{sync: boolean, kind: string}} ChangeEvent  a change of a document */
/** @typedef {{sync: boolean, events: ChangeEvent[]}} ChangeBatch */
/**
 * @typedef {object} BokehDocument
 * @property {() => Model[]} roots
 * @property {() => string} title
 * @property {{get: (name: string) => unknown}} resolver
 * @property {{clear: () => void} | undefined} views_manager
 * @property {{send_event: (event: {event_name: string}) => void}} event_manager
 * @property {{setv: (values: object, options: {sync: boolean}) => void}} config
 * @property {(listener: (change: ChangeEvent | ChangeBatch) => void, allow_batches: true) => void} on_change
 * @property {(events: ChangeEvent[]) => Patch} create_json_patch
 * @property {(patch: Patch, buffers: Map<string, ArrayBuffer>) => void} apply_json_patch
 */
/** @typedef {{version: string, roots: {id: string}[]}} DocumentJson */

/** One version of BokehJS. */
export class BokehJS {
  /** @param {string} version  the one to use, if the page has several */
  constructor(version) {
    const { Bokeh } = /** @type {any} */ (window);
    this.bokeh = Bokeh[version] ?? Bokeh;
  }

  get version() {
    return this.bokeh.version;
  }

  /** For `patchRequest`. */
  get protocol() {
    return this.bokeh.protocol;
  }

  /**
   * Whether there is a model of this name, here or among those that a document defines.
   * @param {string} name @param {BokehDocument | null} document
   */
  hasModel(name, document) {
    return this.bokeh.Models.get(name) !== null || Boolean(document?.resolver.get(name));
  }

  /** Let MathJax be looked for again: BokehJS does that once, for the first text, whatever is in it. */
  retryMathJax() {
    const provider = mathProvider(this.bokeh);
    if (provider.status === "failed") provider.status = "not_started";
  }

  /**
   * Make a document. `events` receives the changes that happen meanwhile.
   * @param {DocumentJson} json @param {ChangeEvent[]} events @param {Map<string, ArrayBuffer>} buffers
   * @returns {BokehDocument}
   */
  decode(json, events, buffers) {
    const document = documentModule(this.bokeh).Document.from_json(json, events, buffers);
    document.config.setv({ notify_connection_status: false }, { sync: false }); // the loader tells people of drops
    return document;
  }

  /** Keep a document from telling that it is ready. @param {BokehDocument} document */
  silenceReady({ event_manager }) {
    const send = event_manager.send_event.bind(event_manager);
    event_manager.send_event = (event) => { if (event.event_name !== "document_ready") send(event); };
  }

  /** Trigger the event "connection_lost", here and not on the server. @param {BokehDocument} document */
  sendConnectionLost(document) {
    const { ConnectionLost } = eventsModule(this.bokeh);
    document.event_manager.send_event(new ConnectionLost(null, 0, null));
  }

  /** Trigger the event "client_reconnected", here and on the server. @param {BokehDocument} document */
  sendReconnected(document) {
    const { ClientReconnected } = eventsModule(this.bokeh);
    document.event_manager.send_event(new ClientReconnected());
  }

  /**
   * Draw the roots of a document: each in its target, those without one in `element`. The targets are read again for
   * each root that comes later.
   * @param {BokehDocument} document @param {HTMLElement} element @param {(HTMLElement | null)[]} targets
   */
  async draw(document, element, targets) {
    await this.bokeh.embed.add_document_standalone(document, element, targets, false);
  }

  /** Take a document off the page. @param {BokehDocument} document */
  discard(document) {
    document.views_manager?.clear();
    const { documents } = this.bokeh;
    if (documents.includes(document)) documents.splice(documents.indexOf(document), 1);
  }

  /** Return the events of a change. @param {ChangeEvent | ChangeBatch} change @returns {ChangeEvent[]} */
  eventsOf(change) {
    return "events" in change ? change.events : [change];
  }

  /**
   * Return the events of a change that are for the server.
   * @param {ChangeEvent | ChangeBatch} change @returns {ChangeEvent[]}
   */
  syncedEvents(change) {
    return change.sync ? this.eventsOf(change).filter(({ sync }) => sync) : [];
  }
}

/** @param {any} bokeh */
const documentModule = (bokeh) => bokeh.loader["@bokehjs/document"];
/** @param {any} bokeh */
const eventsModule = (bokeh) => bokeh.loader["@bokehjs/core/bokeh_events"];
/** @param {any} bokeh */
const mathProvider = (bokeh) => bokeh.loader["@bokehjs/models/text/providers"].default_provider;

/** Return those of the names used here that a BokehJS does not have. @param {any} bokeh @returns {string[]} */
export function missingNames(bokeh) {
  if (!bokeh.loader) return ["loader"];
  const { Document, DocumentEventBatch } = documentModule(bokeh);
  const { Message } = bokeh.protocol;
  const { add_document_standalone } = bokeh.embed;
  const source = `${Document} ${add_document_standalone}`; // what is set in a constructor is not in a prototype
  /** @type {Record<string, unknown>} */
  const found = {
    "version": bokeh.version,
    "documents": bokeh.documents?.splice,
    "Models.get": bokeh.Models?.get,
    "embed.add_document_standalone": add_document_standalone,
    "default_provider.status": mathProvider(bokeh)?.status,
    "Message.create": Message?.create,
    "Message.send": Message?.prototype.send,
    "Message.msgid": Message?.prototype.msgid,
    "DocumentEventBatch.events": DocumentEventBatch && new DocumentEventBatch(null, []).events,
    "Document.from_json": Document?.from_json,
    "ConnectionLost": eventsModule(bokeh)?.ConnectionLost,
    "ClientReconnected": eventsModule(bokeh)?.ClientReconnected,
    "document.config": /\.config\b/.test(source) || undefined,
    "document.event_manager": /\.event_manager\b/.test(source) || undefined,
    "document.resolver": /\.resolver\b/.test(source) || undefined,
    "document.views_manager": /\.views_manager\b/.test(source) || undefined,
  };
  for (const name of ["roots", "title", "on_change", "create_json_patch", "apply_json_patch"]) {
    found[`document.${name}`] = Document?.prototype[name];
  }
  return Object.keys(found).filter((name) => found[name] === undefined);
}
