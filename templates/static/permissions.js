/* Permissions of a set: tabs, a search over all of them, and boxes that go together. Without this
   script the page is complete: all tabs stand one below the other, and the server completes boxes. */
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  const nav = document.querySelector("[data-permission-tabs]");
  const search = document.getElementById("find-permission");
  const tools = [...document.querySelectorAll(".tool-tab")];
  if (!nav || !search || !tools.length) return;
  const form = nav.closest("form");
  const links = [...nav.querySelectorAll("a")];
  // The grid of records is a field of its own, with a label: it belongs to the tab CRM.
  const grid = document.querySelector(".scope-grid-scroll").closest("[data-grid]");
  const gridRow = grid.closest(".field-scopes") || grid;
  const panels = new Map(tools.map((panel) => [panel.dataset.tab, [panel]]));
  panels.get("crm").push(gridRow);
  gridRow.id ||= "permissions-scopes";
  form.classList.add("has-tabs");

  nav.setAttribute("role", "tablist");
  for (const link of links) {
    const own = panels.get(link.dataset.opensTab);
    link.setAttribute("role", "tab");
    link.id = `tab-${link.dataset.opensTab}`;
    link.setAttribute("aria-controls", own.map((panel) => panel.id).join(" "));
    for (const panel of own) {
      panel.setAttribute("role", "tabpanel");
      panel.setAttribute("aria-labelledby", link.id);
    }
  }
  const open = (name) => {
    for (const link of links) {
      const chosen = link.dataset.opensTab === name;
      link.setAttribute("aria-selected", chosen);
      link.tabIndex = chosen ? 0 : -1;
      for (const panel of panels.get(link.dataset.opensTab)) panel.hidden = !chosen;
    }
  };
  nav.addEventListener("click", (event) => {
    const link = event.target.closest("a");
    if (!link) return;
    event.preventDefault();
    search.value = "";
    find();
    open(link.dataset.opensTab);
  });
  nav.addEventListener("keydown", (event) => {
    const steps = { ArrowRight: 1, ArrowLeft: -1, Home: -links.length, End: links.length };
    const at = links.indexOf(event.target.closest("a"));
    if (at < 0 || !(event.key in steps)) return;
    event.preventDefault();
    const wrapped = (at + steps[event.key] + links.length) % links.length;
    const next = { Home: 0, End: links.length - 1 }[event.key] ?? wrapped;
    links[next].click();
    links[next].focus();
  });

  // --- Search over all tabs ---
  const rows = [...document.querySelectorAll(".tool-tab .tool")];
  const none = document.querySelector("[data-none-found]");
  const folded = [...document.querySelectorAll(".tool-later")].filter((part) => !part.open);
  const text = gridRow.textContent.toLowerCase();
  const find = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const fits = (said) => words.every((word) => said.includes(word));
    form.classList.toggle("is-searching", words.length > 0);
    let found = 0;
    for (const row of rows) {
      row.hidden = words.length > 0 && !fits(row.dataset.find);
      if (!row.hidden) found += 1;
    }
    for (const part of folded) part.open = words.length > 0; // what is found is not folded away
    for (const part of document.querySelectorAll(".tool-section, .tool-tab, .tool-later")) {
      part.hidden = words.length > 0 && !part.querySelector(".tool:not([hidden])");
    }
    gridRow.hidden = words.length > 0 && !fits(text);
    none.hidden = !words.length || found > 0 || !gridRow.hidden;
    if (!words.length) open(links.find((link) => link.tabIndex === 0)?.dataset.opensTab || "crm");
  };
  search.hidden = false;
  search.addEventListener("input", find);
  search.addEventListener("keydown", (event) => {
    if (event.key === "Enter") event.preventDefault(); // it would save the form
  });

  // --- Boxes that go together: a higher one brings the lower ones, a parent its presets ---
  const box = (value) => form.querySelector(`input[name="tools"][value="${CSS.escape(value)}"]`);
  form.addEventListener("change", (event) => {
    const changed = event.target;
    if (changed.name !== "tools" || changed.type !== "checkbox") return;
    if (changed.checked) {
      const along = `${changed.dataset.lower || ""} ${changed.dataset.ticks || ""}`;
      for (const value of along.split(" ").filter(Boolean)) box(value).checked = true;
      return;
    }
    for (const higher of form.querySelectorAll("[data-lower]")) {
      if (higher.dataset.lower.split(" ").includes(changed.value)) higher.checked = false;
    }
  });

  const wanted = links.find((link) => link.hash === location.hash);
  open(wanted ? wanted.dataset.opensTab : "crm");
});

// --- The grid: what a wider scope is narrowed to is shown as one clicks, not only on saving ---
document.addEventListener("DOMContentLoaded", () => {
  const caps = [["change", "view"], ["delete", "view"], ["communicate", "view"], ["merge", "change"]];
  const [none, everything] = [0, 3];
  for (const row of document.querySelectorAll(".scope-grid tbody tr")) {
    const field = (column) => row.querySelector(`[name$="-${column}"]`);
    const cell = (action) => {
      const select = field(action);
      return select && { select, box: field(`${action}_unassigned`) };
    };
    const said = (word) => document.body.getAttribute(`data-word-${word}`);
    const say = (select, text) => {
      const place = select.closest("td");
      const said = place.querySelector(".is-narrowed") || document.createElement("span");
      said.className = "is-narrowed";
      said.setAttribute("role", "status");
      said.textContent = text;
      if (text) place.append(said);
      else said.remove();
    };
    const draw = () => {
      const after = {};
      const view = cell("view");
      if (!view) return;
      after.view = { rank: Number(view.select.value), box: view.box.checked };
      for (const [action, cap] of caps) {
        const own = cell(action);
        if (!own || !after[cap]) continue;
        const asked = Number(own.select.value);
        const rank = Math.min(asked, after[cap].rank);
        const fits = after[cap].rank === everything || after[cap].box;
        const keeps = rank > none && rank < everything;
        after[action] = { rank, box: own.box.checked && fits && keeps };
        const label = own.select.options[rank]?.text;
        const loses = own.box.checked && asked > none && asked < everything && !after[action].box;
        if (rank < asked) say(own.select, said("becomes").replace("{scope}", label));
        else say(own.select, loses ? said("loses") : "");
      }
    };
    for (const select of row.querySelectorAll("select")) {
      let before = select.value;
      select.addEventListener("change", () => {
        const box = row.querySelector(`[name="${CSS.escape(`${select.name}_unassigned`)}"]`);
        // Narrowing from Everything loses nothing that was not asked for (Q47).
        if (box && Number(before) === everything && Number(select.value) > none) box.checked = true;
        before = select.value;
      });
    }
    row.addEventListener("change", draw);
    draw();
  }
});
