/** One session, in one element or several: its states, and when it attaches, attaches again, fails or is renewed. */

import { Attachment } from "./attachment.js";
import { UnconfirmedChanges } from "./changes.js";
import { ELSEWHERE, GONE, TOO_LARGE } from "./connection.js";
import { SessionMarker } from "./marker.js";
import { newBlocks, sessionState } from "./renewal.js";
import { Retry } from "./retry.js";
import { Failure, SessionGone, TEXT, codeText } from "./texts.js";
import { View } from "./view.js";

/** @typedef {import("./attachment.js").Content} Content */
/** @typedef {import("./blocks.js").Block} Block */
/** @typedef {[HTMLElement, Block]} Pair */

const BLOCKED_AFTER = 3; // attempts without a websocket while the session is alive
const DEV_RENEWAL_DELAY = 1_000; // milliseconds until a failed plot of an application under development is renewed

/** @type {WeakSet<Element>} elements whose session had ended before it was seen, and which got another one */
const replaced = new WeakSet();

export class Session {
  /**
   * @param {Block} block
   * @param {(session: Session) => void} onStartAgain  a person wants a new session
   * @param {(session: Session, pairs: Pair[]) => void} onRenewed  its elements have new blocks
   */
  constructor(block, onStartAgain, onRenewed) {
    this.view = new View();
    /** @type {Content} */
    this.content = {
      block,
      view: this.view,
      marker: new SessionMarker(),
      changes: new UnconfirmedChanges(),
      plot: null,
      queue: Promise.resolve(),
    };
    this.onStartAgain = () => onStartAgain(this);
    this.onRenewed = onRenewed;
    /** @type {Attachment | null} */
    this.attachment = null;
    this.retry = new Retry();
    /** Attempts since a websocket was last open at which the site said that the session is alive. */
    this.blockedAttempts = 0;
    this.hasEnded = false;
  }

  get block() {
    return this.content.block;
  }

  get state() {
    return this.view.state;
  }

  /** Whether only a new session helps. */
  get needsRenewal() {
    return this.state === "lost" || this.state === "error";
  }

  /** Attach, for the first time or again. */
  connect() {
    this.disconnect();
    this.attachment = new Attachment(
      this.content,
      () => {
        this.retry.attempts = 0;
        this.view.show("ready");
      },
      (error) => this.fail(error),
      (code, wasOpen) => this.closed(code, wasOpen),
    );
  }

  disconnect() {
    this.attachment?.close();
    this.attachment = null;
    this.view.remarks.busy = "";
    this.retry.skip();
  }

  /** @param {number} code @param {boolean} wasOpen */
  closed(code, wasOpen) {
    const { changes } = this.content;
    this.disconnect();
    this.content.plot?.connectionLost();
    this.view.remarks.large = code === TOO_LARGE ? TEXT.large : "";
    if (code === GONE) this.sessionGone(TEXT.gone);
    else if (code === ELSEWHERE) this.fail(new SessionGone(TEXT.elsewhere));
    else if (code === TOO_LARGE && changes.size === 0) this.fail(new Failure(`${TEXT.failed} It is too large.`));
    else {
      if (code === TOO_LARGE) changes.clear(); // one of them was: the plot is shown without it
      this.reconnect(wasOpen);
    }
  }

  /** Attach again after a while, unless the site says that it is of no use. @param {boolean} wasOpen */
  async reconnect(wasOpen) {
    const isSeen = this.content.plot !== null;
    const text = isSeen ? TEXT.reconnecting : TEXT.waiting;
    if (wasOpen) this.blockedAttempts = 0;
    const wasBlocked = this.isBlocked;
    if (!wasBlocked) this.view.show("reconnecting", text);
    if (!wasOpen) {
      const state = await sessionState(this.block);
      if (!this.isReconnecting) return;
      if (state === "gone") return this.sessionGone(TEXT.gone);
      if (state === "refused") return this.sessionGone(isSeen ? TEXT.refused : TEXT.cookie);
      this.blockedAttempts = state === "alive" ? this.blockedAttempts + 1 : 0;
      if (this.isBlocked || wasBlocked) this.view.show("reconnecting", this.isBlocked ? TEXT.blocked : text);
    }
    await this.retry.wait(this.isBlocked);
    if (this.isReconnecting) this.connect();
  }

  get isBlocked() {
    return this.blockedAttempts >= BLOCKED_AFTER;
  }

  get isReconnecting() {
    return !this.hasEnded && this.state === "reconnecting" && this.attachment === null;
  }

  /** The network or the tab is back: try at once, or find out whether the connection is alive. */
  checkAlive() {
    if (this.state === "reconnecting") this.retry.skip();
    else this.attachment?.connection.checkAlive();
  }

  /** The page is left, and may be shown again. */
  pause() {
    if (this.attachment === null) return;
    this.disconnect();
    this.view.show("reconnecting", TEXT.reconnecting);
  }

  resume() {
    if (this.isReconnecting && !this.retry.isWaiting) this.connect();
    else this.checkAlive();
  }

  /**
   * Say that the session has ended. If it was never seen, it is replaced once instead: a full server ends the
   * sessions that wait longest, and a new browser that opens several pages at once keeps one of their cookies.
   * @param {string} text
   */
  sessionGone(text) {
    const { elements } = this.view;
    if (this.content.plot !== null || elements.some((element) => replaced.has(element))) {
      this.fail(new SessionGone(text));
    } else {
      elements.forEach((element) => replaced.add(element));
      this.renew();
    }
  }

  /** Show why there is no plot, with a button that starts again. @param {unknown} error */
  fail(error) {
    this.disconnect();
    const { dev } = this.block;
    if (dev) setTimeout(() => { if (!this.hasEnded && this.state !== "loading") this.renew(); }, DEV_RENEWAL_DELAY);
    const action = this.onStartAgain;
    if (error instanceof SessionGone) {
      this.view.show("lost", error.message, { label: "Start again", action });
    } else if (error instanceof Failure) {
      this.view.show("error", error.message, { id: error.id, label: "Try again", action });
    } else {
      console.error(error);
      const cause = error instanceof EvalError ? codeText(dev) : error;
      this.view.show("error", `${TEXT.failed} ${cause}`, { label: "Try again", action });
    }
  }

  /** Get a new session for the same elements, without reloading the page. */
  async renew() {
    this.disconnect();
    this.view.keepHeight();
    this.view.show("loading", TEXT.loading);
    const { places } = this.view;
    try {
      const blocks = await newBlocks(places, this.block);
      if (!this.hasEnded) this.onRenewed(this, [...blocks].filter(([element]) => places.has(element)));
    } catch (error) {
      if (!this.hasEnded) this.fail(error instanceof Failure ? error : new Failure(TEXT.unreachable));
    }
  }

  /** The page's policy has kept something from running or loading. @param {string} blocked  "eval", or a URL */
  blocked(blocked) {
    const text = `Something may be missing here: this page allows no ${blocked}.`;
    this.view.remark("missing", blocked === "eval" ? codeText(this.block.dev) : text);
  }

  /** Leave the page as if the session had never been there. */
  end() {
    this.hasEnded = true;
    this.disconnect();
    this.content.plot?.discard();
    this.content.plot = null;
  }
}
