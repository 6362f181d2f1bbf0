/** The waits between attempts to connect. */

const FIRST_DELAY = 300; // milliseconds over which the first attempts of many pages spread
const MAX_DELAY = 10_000; // milliseconds
const SLOW_DELAY = 30_000; // milliseconds, where only a change of the network helps

/**
 * Return the milliseconds before an attempt.
 * @param {number} attempts  made before @param {number} random  from 0 to 1
 */
export function retryDelay(attempts, random) {
  if (attempts === 0) return FIRST_DELAY * random;
  return Math.min(MAX_DELAY, 500 * 2 ** attempts) * (0.5 + random / 2);
}

export class Retry {
  constructor() {
    /** Set it to 0 to begin with short waits again. */
    this.attempts = 0;
    /** @type {(() => void) | null} */
    this.wake = null;
  }

  get isWaiting() {
    return this.wake !== null;
  }

  /** Wait until the next attempt, or until `skip`. @param {boolean} [isSlow] */
  async wait(isSlow = false) {
    const delay = isSlow ? SLOW_DELAY : retryDelay(this.attempts, Math.random());
    this.attempts += 1;
    await new Promise((resolve) => {
      this.wake = () => resolve(undefined);
      setTimeout(resolve, delay);
    });
    this.wake = null;
  }

  /** End the wait. */
  skip() {
    this.wake?.();
  }
}
