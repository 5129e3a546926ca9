"use strict";
// What changes while a page is open: facets of the view, a search that goes on, a run that has new rows and responses.
(() => {
  const body = document.body;
  const facets = document.getElementById("facets");

  function facet({ column, distinct, values }, most) {
    const node = document.createElement("div");
    node.className = "facet";
    const name = document.createElement("b");
    name.textContent = column.replaceAll("_", " ");
    node.append(name);
    for (const [value, count, link] of values) {
      const item = document.createElement("a");
      item.href = link;
      item.className = `value ${column === "verdict" ? value : ""}`;
      item.textContent = value === null ? "(none)" : value || "(empty)";
      const number = document.createElement("small");
      number.textContent = ` ${count.toLocaleString("en")}`;
      node.append(item, number, " ");
    }
    if (distinct > values.length) node.append(`… ${(distinct - values.length).toLocaleString("en")} more`);
    return node;
  }

  async function showFacets() {
    const answer = await fetch(facets.dataset.from);
    if (!answer.ok) return;
    const found = await answer.json();
    facets.replaceChildren(...found.facets.map(facet));
    if (!found.complete) facets.append("(of the rows searched so far)");
  }
  if (facets) showFacets().catch(() => {});

  if (body.dataset.again) setTimeout(() => location.reload(), 700);

  /** This page as it would be now. The parser of a request runs no script, and our pages hold every text escaped. */
  function again() {
    return new Promise((resolve, reject) => {
      const request = Object.assign(new XMLHttpRequest(), { responseType: "document", onload: () => resolve(request.response), onerror: reject });
      request.open("GET", location.href);
      request.send();
    });
  }

  /** Responses that came since the page was written, below those that are there; nothing that is read moves. */
  function grow(now) {
    const fresh = now.getElementById("responses"), old = document.getElementById("responses");
    if (!fresh) return;
    const known = new Set([...document.querySelectorAll("#responses .response")].map((each) => each.dataset.id));
    const added = [...fresh.querySelectorAll(".response")].filter((each) => !known.has(each.dataset.id));
    if (old) {
      old.querySelector("h2").replaceWith(fresh.querySelector("h2"));
      old.append(...added);
    } else {
      document.querySelector("details.history").before(fresh);
    }
    for (const each of added) each.querySelectorAll(".tex").forEach(factoryText.prepare);
  }

  async function look() {
    const answer = await fetch("/state");
    if (!answer.ok) return;
    const { stamp, answered } = await answer.json();
    if (stamp !== body.dataset.stamp) {
      if (body.dataset.follow) location.reload();
      else document.getElementById("changed").hidden = false;
    } else if (String(answered) !== body.dataset.answered && (body.dataset.follow || body.dataset.grows)) {
      const now = await again();
      if (body.dataset.follow) document.querySelector("main").replaceWith(now.querySelector("main"));
      else grow(now);
      body.dataset.answered = answered;
    }
  }
  document.getElementById("reload").addEventListener("click", () => location.reload());
  setInterval(() => { if (!document.hidden) look().catch(() => {}); }, 4000);
})();
