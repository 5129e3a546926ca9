"use strict";
// Finds formulas in text and lets KaTeX draw them. Text never becomes markup here: pieces are text nodes or the nodes
// that katex.render builds. What KaTeX cannot read stays as its source.
(() => {
  const MOST_FORMULAS = 1500;
  const LONGEST_FORMULA = 4000;
  const OPTIONS = { throwOnError: true, trust: false, strict: "ignore", maxExpand: 200, maxSize: 20, output: "htmlAndMathml" };
  const PATTERN = /\$\$([\s\S]+?)\$\$|\\\[([\s\S]+?)\\\]|\\\(([\s\S]+?)\\\)|(?<![\\$\w])\$(?![\s$])((?:\\[\s\S]|[^$\\\n])+?)(?<![\s\\])\$(?![\d$])|(\\boxed\{(?:[^{}]|\{(?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*\})*\})/g;

  function pieces(text) {
    const found = [];
    let last = 0;
    let formulas = 0;
    for (const match of text.matchAll(PATTERN)) {
      if (formulas >= MOST_FORMULAS) break;
      const tex = match[1] ?? match[2] ?? match[3] ?? match[4] ?? match[5];
      if (tex.length > LONGEST_FORMULA) continue;
      found.push({ text: text.slice(last, match.index) });
      found.push({ tex, source: match[0], display: match[1] !== undefined || match[2] !== undefined });
      last = match.index + match[0].length;
      formulas += 1;
    }
    found.push({ text: text.slice(last) });
    return found;
  }

  function draw(element) {
    if (element.dataset.source !== undefined) return;
    const source = element.textContent;
    element.dataset.source = source;
    const nodes = pieces(source).map((piece) => {
      if (piece.tex === undefined) return document.createTextNode(piece.text);
      const span = document.createElement("span");
      span.className = piece.display ? "display" : "inline";
      try {
        katex.render(piece.tex, span, { ...OPTIONS, displayMode: piece.display });
      } catch {
        span.textContent = piece.source;
        span.className = "unread";
      }
      return span;
    });
    element.replaceChildren(...nodes);
  }

  function undraw(element) {
    if (element.dataset.source === undefined) return;
    element.textContent = element.dataset.source;
    delete element.dataset.source;
  }

  let on = true;
  function drawOpen() {
    for (const element of document.querySelectorAll(".tex")) {
      const fold = element.closest("details");
      if (!fold || fold.open) on ? draw(element) : undraw(element);
    }
  }
  document.addEventListener("toggle", drawOpen, true);
  window.factoryTex = { toggle: () => { on = !on; drawOpen(); }, pieces };
  drawOpen();
})();
