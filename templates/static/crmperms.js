/* Native dialogs: opened by [data-opens], closed by [data-closes] or Esc; one may open with its page. */
"use strict";

document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-opens]");
  if (opener) {
    event.preventDefault();
    document.getElementById(opener.dataset.opens).showModal();
  }
  const closer = event.target.closest("[data-closes]");
  if (closer) {
    event.preventDefault();
    closer.closest("dialog").close();
  }
});

document.addEventListener("DOMContentLoaded", () => {
  for (const dialog of document.querySelectorAll("dialog[data-open-now]")) {
    dialog.showModal();
    // The address of the page without its panel, so that closing it leaves a plain list behind.
    dialog.addEventListener("close", () => {
      if (dialog.dataset.openNow) location.assign(dialog.dataset.openNow);
    });
  }
  // A log-out at a shared computer leaves no traces of searches behind.
  if (document.getElementById("login-form")) localStorage.removeItem("commandHistory");
});

// Select2 hides the select that its label names, and names the box it draws instead by its value
// alone: an empty one has no name at all. It draws them at no moment that can be waited for.
const nameBoxes = () => {
  for (const box of document.querySelectorAll(".select2-selection:not([data-named])")) {
    const select = box.closest(".select2-container").previousElementSibling;
    const label = select?.labels?.[0];
    const value = box.querySelector(".select2-selection__rendered");
    // It is the box's text; as a text field of its own it would want a name, too.
    for (const attribute of ["role", "aria-readonly"]) value?.removeAttribute(attribute);
    if (label) {
      label.id ||= `label-of-${select.id}`;
      box.setAttribute("aria-labelledby", `${label.id} ${value?.id ?? ""}`.trim());
    } else if (select?.ariaLabel) {
      box.removeAttribute("aria-labelledby");
      box.ariaLabel = select.ariaLabel;
    }
    box.dataset.named = "";
  }
};
document.addEventListener("DOMContentLoaded", () => {
  nameBoxes();
  new MutationObserver(nameBoxes).observe(document.body, { childList: true, subtree: true });
});
