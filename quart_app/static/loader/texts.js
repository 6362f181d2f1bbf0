/** The texts that people read in place of a plot or beside it. */

export const TEXT = {
  loading: "The plot is on its way …",
  waiting: "The site does not answer yet. Trying again …",
  blocked: "No websocket gets through to the site, although the site answers. A proxy, a firewall or a browser extension "
    + "may block them. Trying again …",
  reconnecting: "The connection was lost. Trying to get it back …",
  gone: "The session of this plot has ended. Changes made in it were not kept.",
  elsewhere: "This plot has been opened elsewhere and continues there.",
  refused: "The session of this plot has ended: the site has restarted, or you have signed out. "
    + "Changes made in it were not kept.",
  cookie: "This site needs its cookie, which the browser did not send. Allow cookies for this site, and try again.",
  large: "A change was too large for this site and was not kept.",
  busy: "The application is busy …",
  code: "This plot runs text as code, which this site does not allow.",
  moved: "The page does not have this plot now. Reload it: you may have to sign in again.",
  missing: "This part of the plot is not there now.",
  unreachable: "The site could not be reached.",
  failed: "The plot could not be shown.",
};

/** Return what is said where the page's policy keeps text from being run as code. @param {boolean} dev */
export function codeText(dev) {
  return dev ? `${TEXT.code} BOKEH_CSP_UNSAFE_EVAL=1 allows it.` : TEXT.code;
}

/** A failure with a text for people, and the id under which the site's log has it. */
export class Failure extends Error {
  /** @param {string} text @param {string | null} [id] */
  constructor(text, id = null) {
    super(text);
    this.id = id;
  }
}

/** The session has ended for this page. */
export class SessionGone extends Failure {}

/** The site cannot answer now and says that it soon can. */
export class SiteBusy extends Failure {}
