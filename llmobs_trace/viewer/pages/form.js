// Which part of a span goes in, how its reader wants to see it comes out: as text, until another form is chosen.

const KEY = "llmobs-trace-form-";

/** How a value can be seen, with what that is called. */
export const FORMS = [
  ["text", "Text"],
  ["markdown", "Markdown"],
  ["json", "JSON"],
];

/** The form that was chosen last for that part: `input`, `output`, … */
export function formOf(part) {
  try {
    const kept = localStorage.getItem(KEY + part);
    return FORMS.some(([form]) => form === kept) ? kept : "text";
  } catch {
    return "text"; // storage is closed to this page
  }
}

/** Show all values of that part in this form, here and on the next page. */
export function chooseForm(part, form) {
  try {
    localStorage.setItem(KEY + part, form);
  } catch {
    // It holds until the page is left.
  }
  for (const box of document.querySelectorAll(".value-box"))
    if (box.dataset.part === part) box.dispatchEvent(new CustomEvent("form", { detail: form }));
}
