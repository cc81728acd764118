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
    dialog.removeAttribute("open"); // which shows it where there is no script
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

// Dialogs in steps: one form, one fieldset [data-step] at a time. Without a script all are visible.
document.addEventListener("DOMContentLoaded", () => {
  for (const form of document.querySelectorAll("form[data-steps]")) {
    const dialog = form.closest("dialog");
    const steps = [...form.querySelectorAll("[data-step]")];
    const names = [...form.querySelectorAll(".step-names li")];
    const back = form.querySelector("[data-back]");
    const next = form.querySelector("[data-next]");
    const save = form.querySelector("[type=submit]");
    const fields = (step) => [...step.querySelectorAll("input, select, textarea")];
    let at = 0;

    const show = (number) => {
      at = number;
      steps.forEach((step, each) => (step.hidden = each !== at));
      names.forEach((name, each) => {
        if (each === at) name.setAttribute("aria-current", "step");
        else name.removeAttribute("aria-current");
      });
      back.hidden = at === 0;
      next.hidden = at === steps.length - 1;
      save.hidden = at !== steps.length - 1;
    };
    const enter = (number) => {
      show(number);
      const wrong = steps[at].querySelector(".errors input, .errors select, .errors textarea");
      (wrong || fields(steps[at])[0])?.focus();
    };
    const leave = () => fields(steps[at]).every((field) => field.reportValidity());

    back.addEventListener("click", () => enter(at - 1));
    next.addEventListener("click", () => leave() && enter(at + 1));
    // Enter in a field goes on to the next step; only the last one saves.
    form.addEventListener("submit", (event) => {
      if (leave() && at === steps.length - 1) return;
      event.preventDefault();
      if (at < steps.length - 1 && leave()) enter(at + 1);
    });
    // What was typed stays; the next time it is gone through from the beginning.
    dialog.addEventListener("close", () => show(0));
    dialog.addEventListener("toggle", (event) => event.newState === "open" && enter(at));
    show(Number(form.dataset.steps));
    if (dialog.open) enter(at);
  }
});
