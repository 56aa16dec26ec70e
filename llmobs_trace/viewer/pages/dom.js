// A description of nodes goes in, the document is brought to it with as few changes as it takes.
//
// A page is a function from data to such a description. Nodes that stay the same stay the same objects, so what
// lives in them (focus, scroll positions, a selection, an open fold) outlives a live update. All text passes
// through `visible`: there is no way from a recorded string to markup here, since nothing parses markup.

import { pieces, plain } from "./visible.js";

const SVG = "http://www.w3.org/2000/svg";
const SVG_TAGS = new Set(["svg", "g", "path", "rect", "line", "circle"]);
const PROPERTIES = new Set(["value", "checked", "disabled", "hidden", "open", "indeterminate", "selected"]);
const described = new WeakMap(); // node → what it was made from

/**
 * Describe an element. `props` holds attributes; besides: `key` (its identity among its siblings), `on` (event →
 * handler), `vars` (CSS custom properties). null, false and "" among children are nothing.
 */
export function h(tag, props, ...children) {
  return { tag, props: props ?? {}, children: flattened(children) };
}

/** Describe an element that `build` makes once and looks after itself, until `key` is another. */
export function island(key, build) {
  return { tag: "#island", props: { key }, build, children: [] };
}

function flattened(children) {
  const found = [];
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false || child === "") continue;
    if (typeof child === "object") found.push(child);
    else {
      for (const piece of pieces(String(child))) {
        found.push(
          typeof piece === "string" ? { tag: "#text", props: {}, text: piece, children: [] } : mark(piece),
        );
      }
    }
  }
  return found;
}

/** What stands in the place of a character that can't be seen. */
function mark(control) {
  const text = { tag: "#text", props: {}, text: control.code, children: [] };
  return { tag: "span", props: { class: "control", title: control.name }, children: [text] };
}

/** Bring the children of `parent` to a description. */
export function patch(parent, children) {
  const next = flattened([children]);
  const before = [...parent.childNodes];
  const keyed = new Map();
  const rest = [];
  for (const node of before) {
    const key = described.get(node)?.props.key;
    if (key === undefined) rest.push(node);
    else keyed.set(key, node);
  }
  let used = 0;
  const nodes = next.map((description) => {
    const { key } = description.props;
    let node = key === undefined ? rest[used] : keyed.get(key);
    if (key === undefined) used += 1;
    else keyed.delete(key);
    if (node === undefined || described.get(node)?.tag !== description.tag) node = made(description);
    update(node, description);
    return node;
  });
  const kept = new Set(nodes);
  for (const node of before) if (!kept.has(node)) node.remove();
  let cursor = parent.firstChild;
  for (const node of nodes) {
    // Nodes in their place are not touched: moving one would take the focus from it.
    if (node === cursor) cursor = cursor.nextSibling;
    else parent.insertBefore(node, cursor);
  }
}

/** Make a node of a description, for what builds its own part of the page. */
export function node(description) {
  const element = made(description);
  update(element, description);
  return element;
}

function made({ tag, text, build }) {
  if (tag === "#text") return document.createTextNode(text);
  if (tag === "#island") return build();
  return SVG_TAGS.has(tag) ? document.createElementNS(SVG, tag) : document.createElement(tag);
}

function update(element, description) {
  const before = described.get(element);
  described.set(element, description);
  if (before === description || description.tag === "#island") return;
  if (description.tag === "#text") {
    if (element.data !== description.text) element.data = description.text;
    return;
  }
  const old = before?.props ?? {};
  for (const name of Object.keys(old))
    if (!(name in description.props)) set(element, name, undefined, old[name]);
  for (const [name, value] of Object.entries(description.props)) {
    if (old[name] !== value) set(element, name, value, old[name]);
  }
  patch(element, description.children);
}

function set(element, name, value, old) {
  if (name === "key") return;
  if (name === "on") {
    for (const event of Object.keys(old ?? {})) element.removeEventListener(event, old[event]);
    for (const event of Object.keys(value ?? {})) element.addEventListener(event, value[event]);
  } else if (name === "vars") {
    for (const variable of Object.keys(old ?? {})) element.style.removeProperty(variable);
    for (const variable of Object.keys(value ?? {})) element.style.setProperty(variable, value[variable]);
  } else if (PROPERTIES.has(name)) {
    // What is being typed is not taken back by an update.
    if (name !== "value" || document.activeElement !== element)
      element[name] = value ?? (name === "value" ? "" : false);
  } else if (value === undefined || value === null || value === false) {
    element.removeAttribute(name);
  } else {
    element.setAttribute(name, value === true ? "" : plain(String(value)));
  }
}
