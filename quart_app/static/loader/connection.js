/** One websocket to the relay. It sends and receives whole messages. */

import { HEARTBEAT, Heartbeat } from "./heartbeat.js";
import { siteUrl } from "./urls.js";
import { MessageReader } from "./wire.js";

/** @typedef {import("./wire.js").Frame} Frame */
/** @typedef {import("./wire.js").Message} Message */
/** @typedef {import("./wire.js").Request} Request */

const CONNECT_TIMEOUT = 20_000; // milliseconds until the websocket is open

/** Close codes. */
export const GONE = 4410;
export const ELSEWHERE = 4409;
export const TOO_LARGE = 1009;
const ABNORMAL = 1006;

export class Connection {
  /**
   * @param {{path: string, ticket: string}} block
   * @param {(message: Message) => void} onMessage
   * @param {(code: number, wasOpen: boolean) => void} onClose  called once, and not after `close`
   */
  constructor({ path, ticket }, onMessage, onClose) {
    const url = siteUrl(`${path}/ws`);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    this.reader = new MessageReader();
    this.onMessage = onMessage;
    this.onClose = onClose;
    this.isOpen = false;
    /** @type {string | null} id of the last message that was sent */
    this.lastId = null;
    const die = () => this.end(ABNORMAL);
    this.heartbeat = new Heartbeat(() => this.socket.send(HEARTBEAT), die);
    this.heartbeat.wait(CONNECT_TIMEOUT, die);
    this.socket = new WebSocket(url, ["bokeh", ticket]);
    this.socket.binaryType = "arraybuffer";
    this.socket.onopen = () => {
      this.isOpen = true;
      this.heartbeat.restart(false);
    };
    this.socket.onmessage = ({ data }) => this.receive(data);
    this.socket.onclose = ({ code }) => this.end(code);
  }

  /** Whether a part of a message has arrived. */
  get isReceiving() {
    return this.reader.isPartial;
  }

  /** Send a message and return its id, which the answer has as `replyTo`. @param {Request} request */
  send({ id, frames }) {
    for (const frame of frames) {
      this.socket.send(frame);
      this.heartbeat.unconfirmed += typeof frame === "string" ? frame.length : frame.byteLength;
    }
    this.lastId = id;
    return id;
  }

  /** Find out soon whether the connection is alive. */
  checkAlive() {
    if (this.isOpen) this.heartbeat.check();
  }

  close() {
    this.heartbeat.stop();
    this.socket.onopen = this.socket.onmessage = this.socket.onclose = null;
    this.onMessage = this.onClose = () => {};
    this.socket.close(1000);
  }

  /** @param {Frame} frame */
  receive(frame) {
    if (frame === HEARTBEAT) {
      this.heartbeat.answered();
      return;
    }
    const message = this.reader.take(frame);
    if (message?.replyTo === this.lastId) this.heartbeat.unconfirmed = 0;
    this.heartbeat.restart(message === null);
    if (message !== null) this.onMessage(message);
  }

  /** @param {number} code */
  end(code) {
    const { onClose } = this;
    this.close();
    onClose(code, this.isOpen);
  }
}
