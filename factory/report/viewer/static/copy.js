"use strict";
// The search of a static copy, over the rows in copy-data.js. Text never becomes markup: every node is built here.
(() => {
  const MOST = 100, AROUND = 90; // rows that are shown, and characters around what was found
  const { tables, cut, most } = globalThis.factoryCopy;
  const [input, facets, said, found] = ["search", "facets", "copy-said", "copy-found"].map((id) => document.getElementById(id));
  const rows = tables.flatMap((table) => table.rows.map(([href, id, text, values]) => ({ table, href, id, text, values })));
  const all = tables.reduce((sum, table) => sum + table.all, 0);
  const chosen = new Map(); // "table" or a facet's column to the value that rows must have
  const number = (n) => n.toLocaleString("en");

  const value = (row, column) => column === "table" ? row.table.name : row.values[row.table.facets.indexOf(column)];
  const fits = (row, but) => [...chosen].every(([column, wanted]) => column === but || value(row, column) === wanted);

  function made(tag, className, ...children) {
    const node = document.createElement(tag);
    node.className = className;
    node.append(...children);
    return node;
  }

  function facet(column, hits) {
    const counts = new Map();
    for (const row of hits) if (fits(row, column)) counts.set(value(row, column), (counts.get(value(row, column)) ?? 0) + 1);
    if (counts.size < 2 && !chosen.has(column)) return "";
    const shown = [...counts].sort((a, b) => b[1] - a[1]).slice(0, column === "table" ? 40 : 8).map(([name, count]) => {
      const button = made("button", "value", (name ?? "(none)") || "(empty)", made("small", "", ` ${number(count)}`));
      button.type = "button";
      button.setAttribute("aria-pressed", String(chosen.has(column) && chosen.get(column) === name));
      button.addEventListener("click", () => {
        if (chosen.has(column) && chosen.get(column) === name) chosen.delete(column); else chosen.set(column, name);
        if (column === "table") for (const other of [...chosen.keys()]) if (other !== "table") chosen.delete(other);
        show();
      });
      return button;
    });
    return made("div", "facet", made("b", "", column.replaceAll("_", " ")), ...shown);
  }

  function result(row, pattern) {
    const at = pattern ? pattern.exec(row.text) : null;
    const [first, end] = at ? [at.index, at.index + at[0].length] : [0, 0];
    const begin = Math.max(first - AROUND, 0);
    const name = row.id ?? "row without an id";
    const link = made(row.href ? "a" : "span", "id", name);
    if (row.href) link.href = row.href;
    const text = made("div", "passage", `${begin ? "… " : ""}${row.text.slice(begin, first)}`);
    text.dir = "auto";
    if (at) text.append(made("mark", "", at[0]));
    text.append(`${row.text.slice(end, end + 2 * AROUND)}${row.text.length > end + 2 * AROUND ? " …" : ""}`);
    return made("li", "", link, made("small", "", ` ${row.table.name}`), text);
  }

  function show() {
    const words = input.value.trim();
    // As in the viewer: letters match whatever their case, everything else stands for itself.
    const pattern = words ? new RegExp(words.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&"), "iu") : null;
    const hits = pattern ? rows.filter((row) => pattern.test(row.text)) : rows;
    const left = hits.filter((row) => fits(row));
    const table = tables.find((each) => each.name === chosen.get("table"));
    facets.replaceChildren(...["table", ...(table ? table.facets : [])].map((column) => facet(column, hits)));
    found.replaceChildren(...left.slice(0, MOST).map((row) => result(row, pattern)));
    const short = cut ? `, ${number(cut)} of them only in their first ${number(most)} characters` : "";
    said.textContent = `${number(left.length)} of ${number(rows.length)} rows fit`
      + `${left.length > MOST ? `; the first ${number(MOST)} are shown` : ""}. `
      + `This copy searches ${number(rows.length)} of the run's ${number(all)} rows${short}.`;
    history.replaceState(null, "", `#${encodeURIComponent(words)}`);
  }

  try { input.value = decodeURIComponent(location.hash.slice(1)); } catch { /* not an address of ours */ }
  input.addEventListener("input", show);
  show();
  input.focus();
})();
