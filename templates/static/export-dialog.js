/* The export dialog: its preview follows the choice, and a long list of approvers is searched. */
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  const choice = document.getElementById("export-choice");
  if (!choice) return;
  const outdated = document.getElementById("export-stale");
  const follows = () => document.querySelectorAll("#export-sample, #export-next");
  const failed = () => {
    outdated.hidden = false;
  };

  // What is on its way was asked for another choice: only the last one is answered.
  const begin = () => {
    htmx.trigger(choice, "htmx:abort");
    for (const part of follows()) part.setAttribute("aria-busy", "true");
  };
  choice.addEventListener("change", begin);
  const isOurs = (event) => event.detail.requestConfig?.elt === choice;
  // Of these the first is told to what is drawn anew, not to who asked.
  document.body.addEventListener("htmx:beforeSwap", (event) => {
    // The log-in may be over: then the answer is another page.
    if (!isOurs(event) || event.detail.xhr.getResponseHeader("X-Update")) return;
    event.detail.shouldSwap = false;
    failed();
  });
  document.body.addEventListener("htmx:afterSettle", (event) => {
    if (!isOurs(event)) return;
    for (const part of follows()) part.removeAttribute("aria-busy");
    outdated.hidden = true;
  });
  for (const name of ["htmx:responseError", "htmx:sendError", "htmx:timeout"]) choice.addEventListener(name, failed);

  // A browser that goes back may have filled the boxes in as they were left.
  window.addEventListener("pageshow", () => {
    const differs = [...choice.querySelectorAll("input")].some((box) => box.checked !== box.defaultChecked);
    if (!differs) return;
    begin();
    htmx.trigger(choice, "again");
  });
});

// Boxes of more people than are seen at once ([data-find]): a search, and what is ticked as chips.
document.addEventListener("DOMContentLoaded", () => {
  const many = 8;
  for (const place of document.querySelectorAll("[data-find]")) {
    const boxes = [...place.querySelectorAll("input[type=checkbox]")];
    if (boxes.length <= many) continue;
    const nameOf = (box) => box.closest("label").textContent.trim();
    // As lists are searched: without regard to case and accents.
    const plain = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
    const chips = Object.assign(document.createElement("div"), { className: "filter-chips" });
    const search = Object.assign(document.createElement("input"), { type: "search", className: "find-permission", placeholder: place.dataset.find, ariaLabel: place.dataset.find });

    const show = () => {
      const words = plain(search.value).split(/\s+/);
      for (const box of boxes) {
        const name = plain(nameOf(box));
        box.closest("label").hidden = !words.every((word) => name.includes(word));
      }
    };
    const draw = () => {
      chips.replaceChildren(...boxes.filter((box) => box.checked).map((box) => {
        const chip = Object.assign(document.createElement("span"), { className: "chip", textContent: nameOf(box) });
        const drop = Object.assign(document.createElement("button"), { type: "button", textContent: "×", ariaLabel: place.dataset.drop.replace("{name}", nameOf(box)) });
        drop.addEventListener("click", () => {
          box.checked = false;
          draw();
          search.focus();
        });
        chip.append(drop);
        return chip;
      }));
    };
    search.addEventListener("input", show);
    // Enter ticks what alone is left, and sends nothing.
    search.addEventListener("keydown", (event) => {
      if (event.key !== "Enter") return;
      event.preventDefault();
      const left = boxes.filter((box) => !box.closest("label").hidden);
      if (left.length !== 1) return;
      left[0].checked = true;
      search.value = "";
      show();
      draw();
    });
    place.addEventListener("change", draw);
    boxes[0].closest(".many").querySelector(".many-label").after(chips, search);
    draw();
  }
});
