/**
 * Bokeh's websocket messages. No other module knows their format.
 *
 * Bokeh 3: a message is the frames header, metadata and content (JSON texts), then two for each buffer: a
 * text {"id"} and its bytes. `header.num_buffers` counts the buffers.
 *
 * Bokeh 4 (read in 4.0.0.dev8): a message is one text {"header", "content", "buffers": [ids]}, then one
 * binary frame for each id. Metadata and num_buffers are gone: `take` splits the first frame, `text` is that
 * frame, `contentOf` takes `.content` of it, and a PULL-DOC-REQ is one frame with empty content and buffers.
 * `Message.create(type, content)` has no metadata: called as now it would send the metadata as content.
 * ACK, OK, ERROR, PATCH-DOC, PULL-DOC-REQ and PULL-DOC-REPLY stay; SERVER-INFO-REQ goes.
 */

/** @typedef {string | ArrayBuffer} Frame */
/** @typedef {"attached" | "document" | "patch" | "done" | "error"} Kind */
/**
 * @typedef {object} Message
 * @property {Kind} kind
 * @property {string | undefined} replyTo  id of the message that this one answers
 * @property {string} text  JSON with the content in it
 * @property {Map<string, ArrayBuffer>} buffers
 */
/** @typedef {{id: string, frames: Frame[]}} Request */
/** @typedef {{events: {kind: string}[]}} Patch */

/** @type {Record<string, Kind>} */
const KINDS = { "ACK": "attached", "PULL-DOC-REPLY": "document", "PATCH-DOC": "patch", "OK": "done", "ERROR": "error" };

/** Puts received frames together to messages. */
export class MessageReader {
  constructor() {
    /** @type {Frame[]} */
    this.frames = [];
    /** @type {any} */
    this.header = null;
  }

  /** Whether a message has begun and is not complete. */
  get isPartial() {
    return this.header !== null;
  }

  /** Take a frame; return the message that it completes, if it does. @param {Frame} frame @returns {Message | null} */
  take(frame) {
    const { frames } = this;
    frames.push(frame);
    this.header ??= JSON.parse(/** @type {string} */ (frame));
    const { msgtype, reqid, num_buffers = 0 } = this.header;
    if (frames.length < 3 + 2 * num_buffers) return null;
    this.frames = [];
    this.header = null;
    /** @type {Map<string, ArrayBuffer>} */
    const buffers = new Map();
    for (let i = 3; i < frames.length; i += 2) {
      buffers.set(JSON.parse(/** @type {string} */ (frames[i])).id, /** @type {ArrayBuffer} */ (frames[i + 1]));
    }
    return { kind: KINDS[msgtype] ?? "done", replyTo: reqid, text: /** @type {string} */ (frames[2]), buffers };
  }
}

/** Return the content of a message: a patch, or an error's {text}. @param {Message} message */
export function contentOf({ text }) {
  return JSON.parse(text);
}

/** Return the JSON of the document in a message. @param {Message} message */
export function documentOf(message) {
  return contentOf(message).doc;
}

/** Return a request for the document. @returns {Request} */
export function pullRequest() {
  const id = uniqueId();
  return { id, frames: [{ msgid: id, msgtype: "PULL-DOC-REQ" }, {}, {}].map((part) => JSON.stringify(part)) };
}

/**
 * Return a message with a patch.
 * @param {any} protocol  `Bokeh.protocol`, which takes the buffers out of the patch
 * @param {Patch} patch
 * @returns {Request}
 */
export function patchRequest(protocol, patch) {
  const message = protocol.Message.create("PATCH-DOC", {}, patch);
  /** @type {Frame[]} */
  const frames = [];
  message.send({ send: (/** @type {Frame} */ frame) => frames.push(frame) });
  return { id: message.msgid(), frames };
}

export function uniqueId() {
  return crypto.getRandomValues(new Uint32Array(4)).join("");
}
