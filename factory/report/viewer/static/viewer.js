"use strict";
// Keyboard, marks, the way through a table and the values offered for a filter. Tables and texts can be read without it.
(() => {
  // Asked for each time: a page that follows a run gets more of them.
  const rows = () => [...document.querySelectorAll("table.rows tbody tr[data-href]")];
  const list = () => rows().length ? rows() : [...document.querySelectorAll(".target")];
  let at = rows().length ? -1 : Math.max(list().findIndex((t) => t.classList.contains("asked")), 0);
  const problem = document.querySelector(".problem");
  if (problem) {
    // What is scrolled to must not lie under the problem, which stays in sight.
    const measure = () => document.documentElement.style.setProperty("--stuck", `${problem.offsetHeight}px`);
    measure();
    let still = true; // until the reader moves, formulas that are drawn late must not push the row that was asked for away
    for (const move of ["wheel", "keydown", "pointerdown"]) addEventListener(move, () => { still = false; }, { once: true, capture: true });
    new ResizeObserver(() => {
      measure();
      if (still) document.querySelector(".asked")?.scrollIntoView({ block: "start" });
    }).observe(problem);
  }
  const keys = document.getElementById("keys");
  const note = document.getElementById("note");
  const said = document.getElementById("said");

  function say(text, bad) {
    said.textContent = text;
    said.className = bad ? "shown bad" : "shown";
    clearTimeout(say.timer);
    say.timer = setTimeout(() => { said.className = ""; }, 3000);
  }

  function go(to, scroll = true) {
    const all = list();
    if (!all.length) return;
    all[at]?.classList.remove("at");
    at = Math.min(Math.max(to, 0), all.length - 1);
    all[at].classList.add("at");
    if (scroll) all[at].scrollIntoView({ block: rows().length ? "nearest" : "start" });
  }

  async function mark(id, kind, text = "") {
    if (!id) return;
    if (document.body.dataset.static) { say("a static copy takes no marks", true); return; }
    try {
      const answer = await fetch("/mark", {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ id, mark: kind, note: text }),
      });
      const value = await answer.json();
      if (!answer.ok) { say(value.error, true); return; }
      for (const badge of document.querySelectorAll("[data-mark-of]")) {
        if (badge.dataset.markOf === id) {
          badge.className = `mark ${kind === "clear" ? "" : kind}`;
          badge.textContent = kind === "clear" ? "" : kind;
          badge.title = text;
        }
      }
      say(kind === "clear" ? "mark taken back" : `marked: ${kind}`);
    } catch {
      say("not saved: the viewer does not answer", true);
    }
  }

  function askNote(id) {
    if (!id) return;
    document.getElementById("note-id").textContent = id;
    const text = document.getElementById("note-text");
    text.value = "";
    note.showModal();
    note.onclose = () => {
      text.blur();  // a closed dialog keeps the keyboard until the page is drawn again
      if (note.returnValue === "save" && text.value.trim()) mark(id, "note", text.value.trim());
    };
    note.returnValue = "";
    text.focus();
  }

  const table = () => document.body.dataset.table || sessionStorage.getItem("table");
  const asked = () => new URLSearchParams(location.search).get("id");

  function neighbour(step) {
    const way = JSON.parse(sessionStorage.getItem("way") || "[]");
    const place = way.indexOf(location.href);
    const next = place < 0 ? undefined : way[place + step];
    if (next !== undefined) location.href = next;
    else if (step > 0 && table() && asked()) walk("next");
    else say("no further row on that page of the table");
  }

  /** To another row of the table that was last looked at. */
  async function walk(only) {
    if (only === "previous") { neighbour(-1); return; }
    const from = table();
    if (!from) { say("open a table first"); return; }
    const address = new URL(from, location.href);
    address.pathname = only === "random" ? "/random" : "/next";
    const id = rows().length ? list()[at]?.dataset.id : asked();
    if (id) address.searchParams.set("id", id);
    if (only !== "random" && only !== "next") address.searchParams.set("only", only);
    const answer = await fetch(address, { redirect: "follow" });
    if (answer.ok) location.href = answer.url;
    else say(`no further ${only === "next" || only === "random" ? "" : `${only} `}row in that table`, true);
  }

  async function copyId(id) {
    if (!id) return;
    try {
      await navigator.clipboard.writeText(id);
    } catch { // no clipboard without https on another machine's address
      const area = Object.assign(document.createElement("textarea"), { value: id });
      document.body.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
    }
    say(`copied ${id}`);
  }

  if (rows().some((row) => row.dataset.id)) {
    const way = rows().map((row) => new URL(row.dataset.href, location.href).href);
    sessionStorage.setItem("way", JSON.stringify([...new Set(way)]));
  }
  if (document.body.dataset.table) sessionStorage.setItem("table", document.body.dataset.table);
  document.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-mark]");
    if (button) {
      const id = button.closest("[data-id]").dataset.id;
      if (button.dataset.mark === "note") askNote(id); else mark(id, button.dataset.mark);
    }
    const copied = event.target.closest("[data-copy]");
    if (copied) copyId(copied.dataset.copy);
    const way = event.target.closest("[data-walk]")?.dataset.walk;
    if (way === "next") neighbour(1);
    else if (way) walk(way);
  });
  document.getElementById("keys-button").addEventListener("click", () => keys.showModal());
  document.getElementById("keys-close").addEventListener("click", () => keys.close());

  const column = document.getElementById("filter-column");
  async function offerValues() {
    const query = new URLSearchParams({ sheet: column.dataset.sheet, column: column.value });
    const answer = await fetch(`/values?${query}`);
    if (!answer.ok) return;
    const options = (await answer.json()).map(([value, count]) => {
      const option = document.createElement("option");
      option.value = value;
      option.label = `${value} (${count.toLocaleString("en")})`;
      return option;
    });
    document.getElementById("filter-values").replaceChildren(...options);
  }
  document.querySelector("input[name=fv]")?.addEventListener("focus", () => offerValues().catch(() => {}));

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("input, textarea, select, dialog")) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    const here = list()[at];
    const id = here?.dataset.id;
    const actions = {
      j: () => go(at + 1),
      k: () => go(at - 1),
      Enter: () => {
        if (event.target.closest("a, button, summary")) return false;
        if (here?.dataset.href) location.href = here.dataset.href;
        const fold = here?.querySelector("details.reasoning, details.answer");
        if (fold) fold.open = !fold.open;
        return true;
      },
      n: () => { const next = document.querySelector("a[rel=next]"); if (next) next.click(); else if (!rows().length) neighbour(1); },
      p: () => { const before = document.querySelector("a[rel=prev]"); if (before) before.click(); else if (!rows().length) neighbour(-1); },
      a: () => mark(id, "accept"),
      r: () => mark(id, "reject"),
      u: () => mark(id, "clear"),
      m: () => askNote(id),
      t: () => factoryText.toggle(),
      i: () => { walk("incorrect"); },
      x: () => { walk("random"); },
      w: () => { walk("unmarked"); },
      c: () => { copyId(id); },
      f: () => { if (!here || !factoryFind.find(here)) say("no long text here"); },
      e: () => { if (!here || !factoryFind.lastBox(here)) say("no boxed answer here"); },
      "/": () => (document.getElementById("search") || document.querySelector(".jump input")).focus(),
      b: () => history.back(),
      h: () => document.querySelector(".top .home").click(),
      "?": () => keys.showModal(),
    };
    const action = actions[event.key];
    if (action && action() !== false) event.preventDefault();
  });
  if (!rows().length && list().length) go(at, list()[at].classList.contains("asked"));
})();
