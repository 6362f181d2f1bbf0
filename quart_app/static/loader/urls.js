/** Where the site has its files. */

/** `…/bokeh/`, below which the loader itself is in `assets/`. */
export const SITE_URL = new URL("..", import.meta.url).href;
/**
 * Return the full URL of a path of the site. The page's own URL does not serve as a base: it is `about:srcdoc` in a
 * frame with `srcdoc`. @param {string} path
 */
export const siteUrl = (path) => new URL(path, SITE_URL);

const EXTENSIONS_PATH = new URL("extensions/", SITE_URL).pathname;

/**
 * Return JSON in which references to files of extensions lead to this site.
 * @param {string} text @param {Record<string, string>} copies  URLs elsewhere, with those of their copies here
 */
export function withLocalUrls(text, copies) {
  for (const [remote, local] of Object.entries(copies)) text = text.replaceAll(remote, local);
  return text.replaceAll(/(["'(])(?:\.\/)?static\/extensions\//g, `$1${EXTENSIONS_PATH}`);
}
