/* Native dialogs: opened by [data-opens], closed by [data-closes] or Esc; one may open with its page. */
"use strict";

/* Colours as chosen before anything is drawn; the theme's own script comes later. */
{
  const chosen = JSON.parse(localStorage.getItem("adminTheme") ?? '"auto"');
  const dark = chosen === "dark" || (chosen === "auto" && matchMedia("(prefers-color-scheme: dark)").matches);
  document.documentElement.classList.toggle("dark", dark);
}

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
    dialog.querySelector('[aria-invalid="true"]')?.focus();
    // The address of the page without its panel, so that closing it leaves a plain list behind.
    dialog.addEventListener("close", () => {
      if (dialog.dataset.openNow) location.assign(dialog.dataset.openNow);
    });
  }
  // Of tabs that have no room beside each other the one where one is is in sight.
  const tab = document.querySelector(".quick-tabs [aria-current]");
  if (tab) tab.parentElement.scrollLeft = tab.offsetLeft - (tab.parentElement.clientWidth - tab.offsetWidth) / 2;
  // On a phone the reasons would fill the first screen: they open by a touch.
  if (matchMedia("(max-width: 40rem)").matches) document.querySelector("details.why")?.removeAttribute("open");
  // A log-out at a shared computer leaves no traces of searches behind.
  if (document.getElementById("login-form")) localStorage.removeItem("commandHistory");
});

// What stands beside a figure of a chart, as what deals are worth, is shown where one points at its bar.
document.addEventListener("DOMContentLoaded", () => {
  const tooltip = window.Chart?.defaults.plugins.tooltip;
  // A drawing loses the beginning of a name that is longer than its place; its end tells less.
  if (tooltip) Chart.defaults.scales.category.ticks.callback = function (value) {
    const [name, most] = [this.getLabelForValue(value), Math.max(16, Math.floor(this.chart.width / 17))];
    return name.length > most ? `${name.slice(0, most - 1)}…` : name;
  };
  if (tooltip) tooltip.callbacks.afterLabel = (at) => at.dataset.notes?.[at.dataIndex] ?? "";
});

// A choice that loads the page anew ([data-keeps]) takes along what was typed into the form it names.
document.addEventListener("submit", (event) => {
  const form = document.getElementById(event.target.dataset.keeps);
  for (const field of form?.querySelectorAll("input[type=text], textarea") ?? []) {
    if (!field.name || !field.value || field.value.length > 300) continue;
    const kept = Object.assign(document.createElement("input"), { type: "hidden", name: field.name, value: field.value });
    event.target.append(kept);
  }
});

// The theme draws icons as words in a font of signs: they are not to be read. What consists of one
// alone is called by what it does; where that is not known, the word stays.
const calledBy = (sign) => document.body.getAttribute(`data-word-${sign}`);
const hideIcons = () => {
  for (const icon of document.querySelectorAll(".material-symbols-outlined:not([aria-hidden], [aria-label], button)")) {
    const sign = icon.textContent.trim();
    const control = icon.closest("a, button");
    const isAlone = control && !control.ariaLabel && [...control.querySelectorAll(".material-symbols-outlined")].reduce((text, each) => text.replace(each.textContent, ""), control.textContent).trim() === "";
    const name = control?.title || calledBy(sign);
    // One that says something by itself, as a padlock does, is a picture with a name.
    if (icon.title) [icon.role, icon.ariaLabel] = ["img", icon.title];
    else if (!isAlone || name) icon.ariaHidden = "true";
    if (isAlone && name) control.ariaLabel = name;
  }
};

// What a button copies ([data-copies]) is said to be copied; without a script it is marked by hand.
document.addEventListener("DOMContentLoaded", () => {
  for (const button of document.querySelectorAll("[data-copies]")) {
    const field = document.getElementById(button.dataset.copies);
    button.hidden = false;
    button.addEventListener("click", async () => {
      let isCopied = true;
      try {
        await navigator.clipboard.writeText(field.value);
      } catch {
        // There is no clipboard on a page that came without TLS: copied as by hand.
        field.select();
        isCopied = document.execCommand("copy");
        button.focus();
      }
      // Only one is in the clipboard.
      for (const said of document.querySelectorAll(".copied")) said.textContent = "";
      if (isCopied) button.parentElement.querySelector(".copied").textContent = button.dataset.copied;
      else field.select();
    });
  }
});

// After a form came back the first field that is wrong has the focus; the summary above it is read.
document.addEventListener("DOMContentLoaded", () => {
  hideIcons();
  if (document.querySelector("dialog[open]")) return;
  document.querySelector('main :is([aria-invalid="true"], .errors input, .errors select):not([type=hidden])')?.focus();
});

// The filters take the focus when they open, and give it back.
document.addEventListener("click", (event) => {
  if (!event.target.closest("#open-filters")) return;
  setTimeout(() => {
    const sheet = document.getElementById("changelist-filter");
    // Whoever was quicker is in the sheet already, or in the list of one of its pickers.
    if (sheet?.contains(document.activeElement) || document.querySelector(".select2-container--open")) return;
    sheet?.querySelector(":is(input, select, .select2-selection):not([type=hidden], .select2-hidden-accessible)")?.focus();
  }, 50);
});
// At the window, as the theme that closes them: an Escape that closes a picker does not get there.
window.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || !document.activeElement.closest("#changelist-filter")) return;
  document.getElementById("open-filters")?.focus();
});

// The search of everything gives the focus back to where it was opened, or to its button.
let searchedFrom = null;
document.addEventListener("focusin", (event) => {
  if (event.target.id === "search-input-command") searchedFrom = event.relatedTarget;
});
// Before the theme: the first Escape empties the field, and only one in an empty field closes it.
window.addEventListener(
  "keydown",
  (event) => {
    if (event.key !== "Escape" || event.target.id !== "search-input-command" || event.target.value) return;
    const back = searchedFrom?.isConnected ? searchedFrom : document.querySelector(".find-anything");
    setTimeout(() => back?.focus());
  },
  { capture: true },
);

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
      // Where several are picked one types into a field in the box.
      box.querySelector(".select2-search__field")?.setAttribute("aria-labelledby", label.id);
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
  new MutationObserver(() => (nameBoxes(), hideIcons())).observe(document.body, { childList: true, subtree: true });
});

// Select2 opens by Enter and Space alone; typing opens it too, as it opens a select.
document.addEventListener("keydown", (event) => {
  const box = event.target.closest?.(".select2-selection--single");
  const types = event.key.length === 1 && event.key !== " ";
  if (!box || !types || event.ctrlKey || event.metaKey || event.altKey) return;
  const select = box.closest(".select2-container").previousElementSibling;
  django.jQuery(select).select2("open");
  document.querySelector(".select2-container--open .select2-search__field")?.focus();
});

// What is picked is a change of the form, which Select2 tells to nobody but jQuery.
document.addEventListener("DOMContentLoaded", () => {
  window.django?.jQuery?.(document).on("change", ".chip-select", (event) => {
    if (!event.originalEvent) event.target.dispatchEvent(new Event("change", { bubbles: true }));
  });
});

// Escape that closes a picker closes nothing around it: the filter sheet listens at the window.
document.addEventListener(
  "keydown",
  (event) => {
    if (event.key !== "Escape" || !document.querySelector(".select2-container--open")) return;
    const stop = (late) => late.stopPropagation();
    document.addEventListener("keydown", stop, { once: true });
  },
  { capture: true },
);

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

// What is under way ([data-follow]) is followed: its page is asked for again, with the rights of its
// reader, and of the answer only what the page shows already ([data-live]) is put in its place. It
// rests while nobody looks, and ends with the last thing under way, or with the log-in.
document.addEventListener("DOMContentLoaded", () => {
  const soon = 1500;
  const rarely = 15000;
  let pause = soon;
  let looksMore = 0; // after a click whose answer is a file, and no page
  let isLooking = false;
  let timer;

  const plan = () => {
    clearTimeout(timer);
    const wanted = looksMore > 0 || document.querySelector("[data-follow]");
    if (wanted && !document.hidden && !isLooking) timer = setTimeout(look, pause);
  };
  const swap = (shown, now) => {
    const focused = shown.contains(document.activeElement) && document.activeElement;
    shown.innerHTML = now.innerHTML;
    if (!focused) return;
    const likes = [...shown.querySelectorAll("a, button")];
    const same = likes.find((each) => each.textContent === focused.textContent);
    (same ?? shown.closest("dialog")?.querySelector("[data-closes]"))?.focus();
  };
  const draw = (page) => {
    let changed = false;
    for (const shown of document.querySelectorAll("[data-live]")) {
      const now = page.getElementById(shown.id);
      shown.toggleAttribute("data-follow", now?.hasAttribute("data-follow") ?? false);
      if (!now || shown.textContent === now.textContent) continue;
      swap(shown, now);
      changed = true;
    }
    return changed;
  };
  const look = async () => {
    isLooking = true;
    looksMore = Math.max(0, looksMore - 1);
    pause = Math.min(pause * 1.5, rarely);
    try {
      const answer = await fetch(location.href, { cache: "no-store", headers: { "X-Follows": "1" } });
      if (!answer.ok || answer.redirected) return;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      if (draw(page)) [pause, looksMore] = [soon, 0];
    } catch {
      // Away for a moment; the pauses become longer.
    } finally {
      isLooking = false;
    }
    plan();
  };

  // Nothing else tells that a file is on its way: the page stays as it is. Said until it is closed.
  const say = (text) => {
    const place = document.getElementById("review-body");
    if (!text || !place) return;
    const line = place.previousElementSibling?.matches(".is-started") ? place.previousElementSibling : document.createElement("p");
    Object.assign(line, { className: "panel-message is-success is-started", role: "status", textContent: text });
    place.before(line);
  };

  document.addEventListener("visibilitychange", plan);
  document.addEventListener("submit", (event) => {
    if (!event.target.matches("[data-then-follow]")) return;
    say(event.target.dataset.started);
    [pause, looksMore] = [soon, 5];
    plan();
  });
  plan();
});
