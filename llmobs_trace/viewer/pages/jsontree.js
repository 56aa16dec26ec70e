// A JSON value goes in, an element comes out where it can be read: coloured by type, folded past what is wanted.
//
// A fold is filled when it is opened first: a value of any depth and breadth costs what is looked at. A vector is one
// line, a picture is one.

import { h, island, node } from "./dom.js";
import { counted } from "./format.js";
import { brief, isContainer } from "./json.js";
import { longText } from "./longtext.js";
import { isPicture, picture } from "./picture.js";

const OPEN_MEMBERS = 24; // containers with more are folded, as are those below the depth
const OPEN_DEPTH = 3;
const MEMBERS_AT_ONCE = 200;
const STRING_CHARACTERS = 600;
const SHORT_CHARACTERS = 60;
const LINE_CHARACTERS = 80;
// So many numbers and nothing else are a vector, which nobody reads one by one.
const VECTOR = 17;

/** The value as a tree; `folded`: of which one line is seen at first. */
export function jsonTree(read, { folded = false } = {}) {
  const box = node(h("div", { class: "json" }));
  box.append(branch(null, read, 0, folded));
  return box;
}

function isVector(read) {
  return read.type === "array" && read.items.length >= VECTOR && read.items.every(({ type }) => type === "number");
}

function branch(key, read, depth, folded = false) {
  if (!isContainer(read)) return node(h("div", { class: "leaf" }, keyed(key), leaf(read)));
  const members = membersOf(read);
  const [opening, closing] = read.type === "object" ? ["{", "}"] : ["[", "]"];
  if (members.length === 0)
    return node(
      h(
        "div",
        { class: "leaf" },
        keyed(key),
        h("span", { class: "mark" }, opening + (read.cut ? "…" : "") + closing),
      ),
    );
  if (depth > 0 && !members.some(([, child]) => isContainer(child)) && !read.cut) {
    const short = brief(read, SHORT_CHARACTERS + 1);
    if (short.length <= SHORT_CHARACTERS)
      return node(h("div", { class: "leaf" }, keyed(key), inline(read, opening, closing)));
  }
  const fold = document.createElement("details");
  const isLine = folded || isVector(read);
  const size = counted(members.length, read.type === "object" ? "key" : isVector(read) ? "number" : "item");
  fold.append(
    node(
      h(
        "summary",
        {},
        keyed(key),
        isLine
          ? [h("span", { class: "mark", dir: "auto" }, brief(read, LINE_CHARACTERS)), h("span", { class: "size" }, ` ${size}`)]
          : [
              h("span", { class: "mark" }, opening),
              h("span", { class: "size" }, ` ${size} `),
              h("span", { class: "mark ending" }, closing),
            ],
      ),
    ),
  );
  const fill = () => {
    if (fold.childElementCount > 1) return;
    const list = node(h("div", { class: "members" }));
    fold.append(list);
    addMembers(list, members, 0, depth, read.cut);
  };
  fold.addEventListener("toggle", () => fold.open && fill());
  if (!isLine && (depth === 0 || (depth < OPEN_DEPTH && members.length <= OPEN_MEMBERS))) {
    fill();
    fold.open = true;
  }
  return fold;
}

function addMembers(list, members, from, depth, cut) {
  const end = Math.min(members.length, from + MEMBERS_AT_ONCE);
  for (let index = from; index < end; index += 1)
    list.append(branch(members[index][0], members[index][1], depth + 1));
  if (end < members.length) {
    const more = node(
      h(
        "button",
        { class: "more", type: "button" },
        `Show more: ${counted(members.length - end, "is", "are")} left`,
      ),
    );
    more.addEventListener("click", () => {
      more.remove();
      addMembers(list, members, end, depth, cut);
    });
    list.append(more);
  } else if (cut) list.append(node(h("div", { class: "leaf missing" }, "… cut here")));
}

function membersOf(read) {
  return read.type === "object" ? read.entries : read.items.map((item, index) => [index, item]);
}

function keyed(key) {
  if (key === null) return null;
  return [
    h("span", { class: typeof key === "number" ? "index" : "name", dir: "auto" }, String(key)),
    h("span", { class: "mark" }, ": "),
  ];
}

function leaf(read) {
  if (read.type !== "string") return h("span", { class: read.type }, read.source + (read.cut ? "…" : ""));
  if (read.value.length <= STRING_CHARACTERS)
    return h("span", { class: "string", dir: "auto" }, `"${read.value}${read.cut ? "…" : '"'}`);
  if (!read.cut && isPicture(read.value)) return island("picture", () => picture(read.value, "An image that was part of this value"));
  return longString(read);
}

function longString(read) {
  return h(
    "span",
    { class: "string", dir: "auto" },
    `"${read.value.slice(0, STRING_CHARACTERS)}…`,
    h(
      "button",
      {
        class: "more",
        type: "button",
        on: { click: (event) => showWhole(event.currentTarget.closest(".leaf"), read) },
      },
      `Show all ${counted(read.value.length, "character")}`,
    ),
  );
}

function showWhole(place, read) {
  const whole = longText(read.value, { className: "string", folded: 0 });
  place.replaceChildren(whole);
  whole.querySelector("button")?.click();
}

function inline(read, opening, closing) {
  const members = membersOf(read);
  return [
    h("span", { class: "mark" }, opening),
    members.map(([key, child], index) => [
      read.type === "object" ? keyed(key) : null,
      leaf(child),
      index < members.length - 1 ? h("span", { class: "mark" }, ", ") : null,
    ]),
    h("span", { class: "mark" }, closing),
  ];
}
