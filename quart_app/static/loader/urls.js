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
 * Return JSON in which relative references to files of extensions, and of the application's `static` folder, lead to
 * this site from any page.
 * @param {string} text
 * @param {string} app
 * @param {Record<string, string>} copies  URLs elsewhere, with those of their copies here
 */
export function withLocalUrls(text, app, copies) {
  for (const [remote, local] of Object.entries(copies)) text = text.replaceAll(remote, local);
  const relative = new RegExp(`(["'(])(?:\\./)?(?:static/extensions/|(${escaped(app)}/static/))`, "g");
  const files = new URL(`static/${app}/`, SITE_URL).pathname;
  return text.replaceAll(relative, (_, quote, own) => quote + (own ? files : EXTENSIONS_PATH));
}

/** @param {string} text */
function escaped(text) {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&");
}
