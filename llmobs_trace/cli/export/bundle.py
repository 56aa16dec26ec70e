"""Joins JavaScript modules that import each other into one script that does the same; pure.

What a browser loads as modules from a server, it does not load from a file. The pages' modules keep to a few
forms of `import` and `export`, each at the beginning of a line; another is an error here, not a broken page:

    import { a, b } from "./x.js";    import * as x from "./x.js";    export { A } from "./x.js";
    export function f    export async function f    export class C    export const c
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_IMPORT = re.compile(
    r'^(?P<verb>import|export) (?:\{(?P<names>[^}]*)\}|\* as (?P<whole>\w+)) from "\./(?P<file>[\w.]+)";$',
    re.M,
)
_EXPORT = re.compile(r"^export (?P<kind>(?:async )?function\*?|class|const) (?P<name>\w+)", re.M)
_OTHER = re.compile(r"^(?:import|export)\b.*$|\bimport\(", re.M)


def bundle(modules: Mapping[str, str], entry: str) -> str:
    """The text of one module that needs no other: `modules` by file name, `entry` the one that is run.

    >>> modules = {"a.js": 'import { b } from "./b.js";\\nb();', "b.js": "export const b = alert;"}
    >>> print(bundle(modules, "a.js"))
    const modules = {};
    modules["b.js"] = (() => {
    const b = alert;
    return { b };
    })();
    const { b } = modules["b.js"];
    b();
    """
    written: list[str] = ["const modules = {};"]
    done: list[str] = []

    def add(file: str, waiting: tuple[str, ...]) -> None:
        if file in waiting:
            raise ValueError(f"{file} imports itself, by way of {' and '.join(waiting)}")
        if file in done:
            return
        for found in _IMPORT.finditer(modules[file]):
            add(found["file"], (*waiting, file))
        done.append(file)
        body, exported = _rewritten(file, modules[file])
        if file == entry:
            written.append(body)
        else:
            written.append(
                f'modules["{file}"] = (() => {{\n{body}\nreturn {{ {", ".join(exported)} }};\n}})();'
            )

    add(entry, ())
    return "\n".join(written)


def _rewritten(file: str, source: str) -> tuple[str, list[str]]:
    exported: list[str] = []

    def imported(found: re.Match[str]) -> str:
        if found["whole"]:
            return f'const {found["whole"]} = modules["{found["file"]}"];'
        if " as " in found["names"]:
            return found[0]  # refused below
        names = [name.strip() for name in found["names"].split(",") if name.strip()]
        if found["verb"] == "export":
            exported.extend(names)
        return f'const {{ {", ".join(names)} }} = modules["{found["file"]}"];'

    def declared(found: re.Match[str]) -> str:
        exported.append(found["name"])
        return f"{found['kind']} {found['name']}"

    body = _EXPORT.sub(declared, _IMPORT.sub(imported, source)).strip()
    other = _OTHER.search(body)
    if other is not None:
        raise ValueError(f"{file}: this form can't be bundled: {other[0]}")
    return body, exported
