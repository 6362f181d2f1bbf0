/**
 * One attachment of the page to its session: asks for the document, shows it, and carries changes both ways until
 * the connection closes. After each drop there is a new attachment, which shows the document anew.
 *
 * BokehJS decodes, draws and applies changes. Its own client is not used: it cannot connect again when the page's
 * token is five minutes old, takes a new session for the old one, and (3.9) fails for documents with arrays.
 */

import { BokehJS } from "./bokehjs.js";
import { Connection } from "./connection.js";
import { Plot } from "./plot.js";
import { loadRequirements } from "./requirements.js";
import { loadScripts } from "./scripts.js";
import { Failure, SessionGone, TEXT } from "./texts.js";
import { withLocalUrls } from "./urls.js";
import { contentOf, documentOf, patchRequest, pullRequest } from "./wire.js";

/** @typedef {import("./bokehjs.js").DocumentJson} DocumentJson */
/** @typedef {import("./wire.js").Message} Message */
/** @typedef {import("./wire.js").Patch} Patch */
/**
 * What the page has of a session, from one attachment to the next.
 *
 * @typedef {object} Content
 * @property {import("./blocks.js").Block} block
 * @property {import("./view.js").View} view
 * @property {import("./marker.js").SessionMarker} marker
 * @property {import("./changes.js").UnconfirmedChanges} changes
 * @property {Plot | null} plot
 * @property {Promise<void>} queue  messages are handled one after the other
 */

const BUSY_AFTER = 10_000; // milliseconds without an answer

export class Attachment {
  /**
   * @param {Content} content
   * @param {() => void} onReady  the document is shown
   * @param {(error: unknown) => void} onFailure
   * @param {(code: number, wasOpen: boolean) => void} onClose
   */
  constructor(content, onReady, onFailure, onClose) {
    this.content = content;
    this.onReady = onReady;
    this.isClosed = false;
    /** @type {string | null} id of the request for the document, until it is answered */
    this.pull = null;
    /** @type {(error: unknown) => void} */
    this.fail = (error) => { if (!this.isClosed) onFailure(error); };
    this.bundles = loadScripts(content.block.bundles);
    this.bundles.catch(this.fail);
    this.connection = new Connection(content.block, (message) => this.enqueue(message), onClose);
  }

  close() {
    this.isClosed = true;
    this.connection.close();
  }

  /** Available when the bundles are loaded. */
  get bokehjs() {
    return new BokehJS(this.content.block.bokeh);
  }

  /** @param {Message} message */
  enqueue(message) {
    const { content } = this;
    content.queue = content.queue.then(async () => {
      if (!this.isClosed) await this.receive(message);
    }).catch(this.fail);
  }

  /** @param {Message} message */
  async receive(message) {
    const { block, changes, plot, view } = this.content;
    const { kind, replyTo, buffers } = message;
    message.text = withLocalUrls(message.text, block.app, block.copies);
    if (kind === "attached") {
      const patch = changes.takeRepeatable();
      if (patch !== null) this.send(patch);
      const pull = this.pull = this.connection.send(pullRequest());
      this.expectAnswer(() => this.pull !== pull || this.connection.isReceiving);
    } else if (replyTo === this.pull) {
      this.pull = null;
      if (kind === "error") throw new Failure(TEXT.failed);
      await this.embed(message);
    } else if (kind === "patch") {
      if (this.pull !== null || plot === null) return; // the document will have this change
      await loadRequirements(message.text, block, this.bokehjs, plot.document);
      if (!this.isClosed) plot.document.apply_json_patch(contentOf(message), buffers);
    } else if (replyTo !== undefined) {
      if (changes.delete(replyTo)) view.remark("busy", "");
      if (kind === "error") console.error(contentOf(message).text);
    }
  }

  /** Show the document. @param {Message} message */
  async embed(message) {
    const { block, plot } = this.content;
    /** @type {DocumentJson} */
    const json = documentOf(message);
    await this.bundles;
    const { bokehjs } = this;
    try {
      await loadRequirements(message.text, block, bokehjs, plot?.document ?? null);
      if (!this.isClosed) await this.draw(json, message);
    } catch (error) {
      if (error instanceof SessionGone || error instanceof EvalError || json.version === bokehjs.version) throw error;
      console.error(error);
      throw new Failure(`${TEXT.failed} The Bokeh server has version ${json.version}, this site ${bokehjs.version}.`);
    }
  }

  /** @param {DocumentJson} json @param {Message} message */
  async draw(json, { text, buffers }) {
    const { content } = this;
    const { block, marker, plot: old } = content;
    if (block.external) {
      const known = [...block.roots, ...(old?.document.roots() ?? [])].map(({ id }) => id);
      if (!marker.isIn(json.roots.map(({ id }) => id), text, known)) throw new SessionGone(TEXT.gone);
    }
    const plot = new Plot(this.bokehjs, json, buffers, content.view);
    content.plot = plot;
    plot.listen(old === null, (events) => {
      if (!this.isClosed && plot === content.plot) this.send(plot.document.create_json_patch(events));
    });
    try {
      await plot.draw();
    } finally {
      old?.discard();
    }
    if (this.isClosed) return;
    if (block.external) marker.put(plot.document);
    this.onReady();
    if (old?.isConnectionLost) plot.reconnected();
  }

  /** @param {Patch} patch */
  send(patch) {
    const { changes } = this.content;
    const id = this.connection.send(patchRequest(this.bokehjs.protocol, patch));
    changes.set(id, patch);
    this.expectAnswer(() => !changes.has(id));
  }

  /** Say that the application is busy if there is no answer in time. @param {() => boolean} isAnswered */
  expectAnswer(isAnswered) {
    setTimeout(() => { if (!this.isClosed && !isAnswered()) this.content.view.showBusy(); }, BUSY_AFTER);
  }
}
