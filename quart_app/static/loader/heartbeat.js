/**
 * Tells whether a websocket is alive. Scripts cannot send pings, so a heartbeat is an empty text message, which
 * the relay answers with another one. The Bokeh application takes no part: it may be busy for longer.
 */

const HEARTBEAT_INTERVAL = 20_000; // milliseconds without a frame until a heartbeat is sent
const HEARTBEAT_TIMEOUT = 20_000; // milliseconds without a frame after that until the connection counts as dead
const CHECK_TIMEOUT = 5_000; // the same when the network or the tab has come back
const TRANSFER_TIMEOUT = 180_000; // the same during a transfer: browsers do not tell the progress of a frame
const TRANSFER_SIZE = 65_536; // unconfirmed bytes that count as a transfer

export const HEARTBEAT = "";

export class Heartbeat {
  /**
   * @param {() => void} send  sends a heartbeat
   * @param {() => void} onDead
   */
  constructor(send, onDead) {
    this.send = send;
    this.onDead = onDead;
    this.timeout = HEARTBEAT_TIMEOUT;
    this.isAwaited = false;
    this.isPartial = false;
    /** Bytes sent of which it is not known that they have arrived. */
    this.unconfirmed = 0;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
  }

  /**
   * Wait again: the connection is open, or a frame has arrived.
   * @param {boolean} isPartial  whether more frames of its message are to come
   */
  restart(isPartial) {
    this.isPartial = isPartial;
    if (isPartial || this.isAwaited) this.expectFrame(); // an awaited answer is still to come
    else this.wait(HEARTBEAT_INTERVAL, () => this.check(HEARTBEAT_TIMEOUT));
  }

  /** Note that a heartbeat has been answered. */
  answered() {
    this.isAwaited = false;
    this.unconfirmed = 0;
    this.restart(this.isPartial);
  }

  /** Send a heartbeat; without any frame for `timeout` milliseconds the connection counts as dead. */
  check(timeout = CHECK_TIMEOUT) {
    this.timeout = timeout;
    this.isAwaited = true;
    this.send();
    this.expectFrame();
  }

  expectFrame() {
    const isTransfer = this.isPartial || this.unconfirmed >= TRANSFER_SIZE;
    this.wait(isTransfer ? TRANSFER_TIMEOUT : this.timeout, this.onDead);
  }

  /**
   * Call `action` after some milliseconds, instead of what was to be called before. There are two timers: after a
   * computer's sleep the first one ends at once, before the frames that have arrived are delivered.
   * @param {number} milliseconds @param {() => void} action
   */
  wait(milliseconds, action) {
    this.stop();
    this.timer = setTimeout(() => { this.timer = setTimeout(action, milliseconds / 2); }, milliseconds / 2);
  }

  stop() {
    clearTimeout(this.timer);
  }
}
