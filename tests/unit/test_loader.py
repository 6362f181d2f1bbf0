from __future__ import annotations

import re

import pytest

from quart_app.page.loader import JoinError, join, load_loader

MODULES = {
    "main.js": """
import { one, two } from "./numbers.js";
import { log } from "./log.js";

log(one + two);
""",
    "numbers.js": """
import { log } from "./log.js";

export const one = 1;
export const two = 2;
log(one);
""",
    "log.js": """
/** Print it. @param {unknown} text */
export function log(text) {
  // in the console
  console.log(text); // once
}
""",
    "unused.js": "export const unused = 0;\n",
}


JOINED = """\
// log.js
function log(text) {
  console.log(text); // once
}
// numbers.js
const one = 1;
const two = 2;
log(one);
// main.js
log(one + two);
"""


def joined(**changes: str) -> str:
    return join({**MODULES, **{f"{name}.js": text for name, text in changes.items()}}, "main.js")


def test_modules_come_once_and_after_their_imports_without_import_export_and_comments():
    assert joined() == JOINED


def test_a_comment_in_front_of_code_leaves_the_code():
    text = "const a = /** @type {any} */ (b);\n/** @type {any} */ (a).c();\n/**\n * More\n */\nconst d = 1;"
    expected = "// a.js\nconst a = /** @type {any} */ (b);\n(a).c();\nconst d = 1;\n"
    assert join({"a.js": text}, "a.js") == expected


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"numbers": "export const one = 1;\n"}, "main.js imports two, which numbers.js does not export"),
        ({"numbers": "const two = 2;\nexport const one = two;\n"}, "imports two"),
        ({"main": 'import { a } from "./b.js";\n'}, "main.js imports from b.js, which does not exist"),
        ({"main": 'import { log as say } from "./log.js";\n'}, "imports log as say"),
        ({"log": 'import { one } from "./numbers.js";\n'}, "numbers.js -> log.js -> numbers.js is a circle"),
        ({"main": MODULES["main.js"] + "function one() {}\n"}, "numbers.js and main.js both declare one"),
        ({"main": MODULES["main.js"] + "export default one;\n"}, "main.js has 'export default one;'"),
        ({"main": 'import * as all from "./log.js";\n'}, "main.js has 'import "),
    ],
)
def test_what_cannot_be_joined_is_an_error(changes, reason):
    with pytest.raises(JoinError, match=re.escape(reason)):
        joined(**changes)


def test_the_loader_can_be_joined():
    text = load_loader()
    assert text.endswith("Object.assign(window, { bokehEmbed: { add, dispose } });\n")
    assert "/**\n" not in text
