"use strict";
// A bar above every long text: find in it, and go to its last boxed answer.
(() => {
  const LONG = 1500;
  const { shown, drawPiece } = factoryText;
  const marks = typeof Highlight === "function" ? new Highlight() : null;
  if (marks) CSS.highlights.set("found", marks);

  function pieceAt(pieces, offset) {
    let low = 0, high = pieces.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (pieces[middle].from <= offset) low = middle; else high = middle - 1;
    }
    return pieces[low];
  }

  /** The place of the n-th occurrence of a needle in what a piece shows, formulas left out; null when it is in a formula. */
  function rangeOf(node, needle, n) {
    const walker = document.createTreeWalker(node, NodeFilter.SHOW_TEXT, {
      acceptNode: (text) => (text.parentElement.closest(".katex") ? NodeFilter.FILTER_REJECT : NodeFilter.FILTER_ACCEPT),
    });
    const texts = [];
    let all = "";
    while (walker.nextNode()) { texts.push([all.length, walker.currentNode]); all += walker.currentNode.data; }
    let at = -1;
    for (let i = 0; i <= n; i += 1) {
      const next = all.toLowerCase().indexOf(needle, at + 1);
      if (next < 0) break;
      at = next;
    }
    if (at < 0 || all.toLowerCase().length !== all.length) return null;
    const place = (offset) => { const [from, text] = texts.findLast(([start]) => start <= offset); return [text, offset - from]; };
    const range = document.createRange();
    range.setStart(...place(at));
    const [text, offset] = place(at + needle.length - 1);
    range.setEnd(text, offset + 1);
    return range;
  }

  function reveal(target) {
    const see = () => target.scrollIntoView({ block: "center" });
    see();
    requestAnimationFrame(() => requestAnimationFrame(see)); // pieces on the way got their true heights
  }

  function clear() {
    marks?.clear();
    for (const node of document.querySelectorAll(".found")) node.classList.remove("found");
  }

  function show(text, offset, needle) {
    clear();
    const piece = pieceAt(text.pieces, offset);
    drawPiece(piece);
    const low = piece.source.toLowerCase();
    let n = 0;
    for (let at = low.indexOf(needle); at >= 0 && at < offset - piece.from; at = low.indexOf(needle, at + 1)) n += 1;
    const range = rangeOf(piece.node, needle, n);
    if (range && marks) {
      marks.add(range);
      reveal(range.startContainer.parentElement);
    } else {
      piece.node.classList.add("found");
      reveal(piece.node);
    }
  }

  function lastBox(text) {
    const offset = Math.max(text.source.lastIndexOf("\\boxed"), text.source.lastIndexOf("\\fbox"));
    if (offset < 0) return false;
    clear();
    const piece = pieceAt(text.pieces, offset);
    drawPiece(piece);
    const target = [...piece.node.querySelectorAll(".boxed")].pop() || piece.node;
    target.classList.add("found");
    reveal(target);
    return true;
  }

  function bar(element, text) {
    const bar = document.createElement("div");
    bar.className = "find";
    const input = Object.assign(document.createElement("input"), { type: "search", placeholder: "find in this text", maxLength: 200 });
    input.setAttribute("aria-label", "Find in this text");
    const count = document.createElement("span");
    count.className = "count";
    let hits = [], at = -1;
    function search() {
      const needle = input.value.toLowerCase();
      const low = text.source.toLowerCase();
      hits = [];
      at = -1;
      if (needle) for (let i = low.indexOf(needle); i >= 0 && hits.length < 100000; i = low.indexOf(needle, i + needle.length)) hits.push(i);
      count.textContent = needle ? `${hits.length.toLocaleString("en")} found` : "";
      if (!hits.length) clear();
    }
    function step(by) {
      if (!hits.length) return;
      at = (at + by + hits.length) % hits.length;
      count.textContent = `${(at + 1).toLocaleString("en")} of ${hits.length.toLocaleString("en")}`;
      show(text, hits[at], input.value.toLowerCase());
    }
    input.addEventListener("input", search);
    input.addEventListener("keydown", (event) => {
      if (event.key === "Enter") { event.preventDefault(); step(event.shiftKey ? -1 : 1); }
    });
    const button = (label, title, act) => {
      const made = Object.assign(document.createElement("button"), { type: "button", textContent: label, title });
      made.addEventListener("click", act);
      return made;
    };
    const box = button("last box", "Go to the last boxed answer (e)", () => lastBox(text));
    box.disabled = !/\\f?boxed/.test(text.source);
    bar.append(input, button("‹", "Previous (Shift+Enter)", () => step(-1)), button("›", "Next (Enter)", () => step(1)), count, box);
    element.before(bar);
    text.bar = input;
  }

  for (const [element, text] of shown) if (text.source.length >= LONG && element.tagName !== "SPAN") bar(element, text);

  /** The texts of an article, the one that is open first. */
  function textsOf(article) {
    const found = [...article.querySelectorAll(".text.tex")].map((element) => [element, shown.get(element)]);
    return found.filter(([, text]) => text);
  }

  window.factoryFind = {
    find(article) {
      const long = textsOf(article).filter(([, text]) => text.bar);
      const [element, text] = long.find(([each]) => each.closest("details")?.open ?? true) || long[0] || [];
      if (!text) return false;
      const fold = element.closest("details.body");
      if (fold) fold.open = true;
      text.bar.focus();
      return true;
    },
    lastBox(article) {
      for (const [element, text] of textsOf(article).reverse()) {
        if (!/\\f?boxed/.test(text.source)) continue;
        const fold = element.closest("details.body");
        if (fold) fold.open = true;
        return lastBox(text);
      }
      return false;
    },
  };
})();
