"use strict";
// What changes while a page is open: facets of the view, a search that goes on, a run that has new rows.
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
      item.textContent = value === null ? "(none)" : value;
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

  async function look() {
    const answer = await fetch("/state");
    if (!answer.ok) return;
    const { stamp } = await answer.json();
    if (stamp === body.dataset.stamp) return;
    if (body.dataset.follow) location.reload();
    else document.getElementById("changed").hidden = false;
  }
  document.getElementById("reload").addEventListener("click", () => location.reload());
  setInterval(() => { if (!document.hidden) look().catch(() => {}); }, 4000);
})();
