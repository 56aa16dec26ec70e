// The address of a picture goes in, the picture comes out where the address holds it; no other is ever asked for.

import { h, node } from "./dom.js";
import { characters, number } from "./format.js";

// What a browser draws without running it; SVG is left out.
const PICTURE = /^data:image\/(png|jpeg|gif|webp);base64,[A-Za-z0-9+/=\s]+$/;
// Larger ones are drawn when they are asked for.
const SMALL = 200_000;

/** Whether an address holds its picture. */
export function isPicture(url) {
  return url.startsWith("data:image/") && PICTURE.test(url);
}

/** The picture, or what is known of it. */
export function picture(url, about = "An image that was part of this message") {
  const box = node(h("div", { class: "image" }));
  if (!isPicture(url)) {
    const said = url.length > 120 ? `${url.slice(0, 80)}… (${characters(url.length)})` : url;
    box.append(node(h("p", { class: "quiet" }, `image: ${said}`)));
    return box;
  }
  const drawn = () => node(h("img", { src: url, alt: about || "An image" }));
  if (url.length <= SMALL) box.append(drawn());
  else {
    const show = node(h("button", { class: "more", type: "button" }, "Show the image"));
    show.addEventListener("click", () => show.replaceWith(drawn()));
    box.append(show);
  }
  const size = number(Math.floor(((url.length - url.indexOf(",") - 1) * 3) / 4));
  box.append(node(h("p", { class: "quiet" }, `${/image\/\w+/.exec(url)[0]}, ${size} bytes`)));
  return box;
}
