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
