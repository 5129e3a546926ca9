"use strict";
// Shows long texts: Markdown, code and formulas, drawn piece by piece as they come into sight, so that a megabyte opens
// at once. Text never becomes markup: every node is built here, links and pictures stay text.
(() => {
  const SOFT = 1500; // characters after which a piece ends at the next blank line
  const HARD = 6000; // ... and after which it ends anyhow
  const SLICE = 24; // milliseconds of drawing between two frames
  const OPEN = "\ufdd0", CLOSE = "\ufdd1"; // noncharacters around the number of a formula; removed from the text itself

  const md = markdownit({ html: false, linkify: false, breaks: false, typographer: false, maxNesting: 40 }).disable([
    "code", "reference", "html_block", "lheading", "linkify", "escape", "strikethrough", "link", "image", "autolink", "html_inline", "entity",
  ], true);
  const State = md.inline.State;
  const scan = State.prototype.scanDelims;
  // `2*3*4` and `a**b` are arithmetic, not emphasis; 重点**强调** is emphasis.
  State.prototype.scanDelims = function scanDelims(start, canSplitWord) {
    const found = scan.call(this, start, canSplitWord);
    const before = this.src[start - 1] ?? " ", after = this.src[start + found.length] ?? " ";
    const inside = /[\w)\]}]/.test(before) && /[\w(\[{\\]/.test(after);
    const single = found.length === 1;
    return {
      ...found,
      can_open: found.can_open && !inside && !(single && /[\d\-(\ufdd0]/.test(after)),
      can_close: found.can_close && !inside && !(single && /[\d)\ufdd1]/.test(before)),
    };
  };
  md.inline.ruler.push("formula", (state, silent) => {
    if (state.src[state.pos] !== OPEN) return false;
    const end = state.src.indexOf(CLOSE, state.pos);
    if (end < 0) return false;
    if (!silent) state.push("formula", "", 0).content = state.src.slice(state.pos + 1, end);
    state.pos = end + 1;
    return true;
  });
  md.inline.ruler.push("mark", (state, silent) => {
    if (state.src[state.pos] !== "\\" || !"*_`#$|".includes(state.src[state.pos + 1] || " ")) return false;
    if (!silent) state.pending += state.src[state.pos + 1];
    state.pos += 2;
    return true;
  });
  const text = md.inline.ruler.__rules__.find((rule) => rule.name === "text");
  const plain = text.fn; // the text rule stops at known marks only: it must also stop before a formula
  md.inline.ruler.at("text", (state, silent) => {
    const stop = state.src.indexOf(OPEN, state.pos);
    if (stop === state.pos) return false;
    if (stop < 0) return plain(state, silent);
    const most = state.posMax;
    state.posMax = Math.min(most, stop);
    const done = plain(state, silent);
    state.posMax = most;
    return done;
  });

  const TAGS = new Set(["p", "ul", "ol", "li", "blockquote", "table", "thead", "tbody", "tr", "th", "td", "em", "strong"]);

  const letters = (content) => content.replace(/[^\p{L}\p{N}]/gu, "").length;

  /** Builds the nodes of tokens and counts the letters that they show. */
  function build(tokens, formulas, into) {
    const stack = [into];
    let count = 0;
    for (const token of tokens) {
      const top = stack[stack.length - 1];
      count += letters(token.type === "inline" ? "" : `${token.content}${token.info}`);
      if (token.type === "inline") count += build(token.children, formulas, top);
      else if (token.type === "text") top.append(token.content);
      else if (token.type === "softbreak" || token.type === "hardbreak") top.append("\n");
      else if (token.type === "formula") top.append(formulas[Number(token.content)]?.() ?? token.content);
      else if (token.type === "code_inline") top.append(made("code", restored(token.content, formulas)));
      else if (token.type === "fence" || token.type === "code_block") top.append(code(restored(token.content, formulas), token.info));
      else if (token.type === "hr") top.append(document.createElement("hr"));
      else if (token.hidden) continue;
      else if (token.nesting < 0) stack.pop();
      else if (token.nesting > 0) {
        const heading = /^h[1-6]$/.test(token.tag);
        const node = document.createElement(heading ? "p" : TAGS.has(token.tag) ? token.tag : "div");
        if (heading) node.className = `heading ${token.tag}`;
        if (token.tag === "ul" && token.markup !== "*") node.className = token.markup === "+" ? "plus" : "minus";
        if (token.tag === "li" && token.info) node.value = Number(token.info);
        top.append(node);
        stack.push(node);
      }
    }
    return count;
  }

  function made(tag, content) {
    const node = document.createElement(tag);
    node.textContent = content;
    return node;
  }

  function code(content, info) {
    const node = document.createElement("pre");
    const language = (info || "").trim().split(/\s/)[0].slice(0, 30);
    if (language) node.dataset.language = language;
    node.append(made("code", content.replace(/\n$/, "")));
    return node;
  }

  function restored(content, formulas) {
    return content.replace(/\ufdd0(\d+)\ufdd1/g, (whole, number) => formulas[Number(number)]?.source ?? whole);
  }

  /** Draws a piece of text into an element. */
  function draw(source, into, fence = "") {
    const formulas = [];
    const clean = (fence ? `${fence}\n${source}` : source).replace(/[\ufdd0\ufdd1]/g, "\ufffd");
    const marked = factoryTex.pieces(clean).map((piece) => {
      if (piece.tex === undefined) return piece.text;
      const show = () => factoryTex.draw(piece);
      show.source = piece.source;
      formulas.push(show);
      return `${OPEN}${formulas.length - 1}${CLOSE}`;
    });
    const found = document.createDocumentFragment();
    // A table's surplus cells and the like: what Markdown would leave out stands as source.
    const complete = build(md.parse(marked.join(""), {}), formulas, found) >= letters(marked.join(""));
    into.classList.toggle("raw", !complete);
    if (complete) into.replaceChildren(found);
    else into.textContent = source;
  }

  /** Where a text is cut into pieces: at blank lines outside code and formulas, or where it must be (then `fence` goes on). */
  function cuts(source) {
    const found = [{ from: 0, fence: "" }];
    let from = 0, at = 0, fence = "", depth = 0, dollars = 0;
    const cut = (place) => { if (place > from && place < source.length) { found.push({ from: place, fence }); from = place; } };
    while (at < source.length) {
      let end = source.indexOf("\n", at);
      end = end < 0 ? source.length : end + 1;
      while (end - from > HARD && end - at > HARD / 2) {
        const most = from + HARD, space = source.lastIndexOf(" ", most);
        let place = space > from + HARD / 2 ? space + 1 : most;
        if (/[\udc00-\udfff]/.test(source[place] || "")) place += 1;
        cut(place);
        at = Math.max(at, place);
      }
      const line = source.slice(at, end);
      const blank = !line.trim();
      if (from < at && ((blank && at - from >= SOFT && !fence && depth <= 0 && dollars % 2 === 0 && !/^[ \t]/.test(source.slice(end, end + 1))) || at - from >= HARD)) {
        cut(blank ? end : at);
        if (at - from >= HARD) { depth = 0; dollars = 0; }
      }
      const mark = /^ *(```|~~~)/.exec(line);
      if (mark && (!fence || fence === mark[1])) fence = fence ? "" : mark[1];
      if (!fence && /[\\$]/.test(line)) {
        depth += (line.match(/\\\[|\\begin\{/g) || []).length - (line.match(/\\\]|\\end\{/g) || []).length;
        dollars += (line.match(/\$\$/g) || []).length;
      }
      at = end;
    }
    return found;
  }

  const shown = new Map(); // element -> {source, pieces: [{from, source, node, drawn}]}
  const piece_of = new WeakMap();
  let on = true;

  function drawPiece(piece) {
    if (!on || piece.drawn) return;
    if (piece.whole) piece.node.replaceChildren(factoryTex.draw({ tex: piece.source, source: piece.source, display: false }));
    else if (piece.short) piece.node.replaceChildren(...factoryTex.pieces(piece.source).map((each) => (each.tex === undefined ? each.text : factoryTex.draw(each))));
    else draw(piece.source, piece.node, piece.fence);
    piece.drawn = true;
  }

  const queue = [];
  let waiting = false;
  function pump() {
    waiting = false;
    const end = performance.now() + SLICE;
    while (queue.length && performance.now() < end) drawPiece(queue.shift());
    if (queue.length && !waiting) { waiting = true; requestAnimationFrame(pump); }
  }
  const sight = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      sight.unobserve(entry.target);
      queue.push(piece_of.get(entry.target));
    }
    pump();
  }, { rootMargin: "300px" });

  function prepare(element) {
    const source = element.textContent;
    const short = element.classList.contains("value"); // a few words in a line: formulas, but no Markdown
    const whole = short && factoryTex.whole(source);
    const places = cuts(source);
    const pieces = places.map(({ from, fence }, i) => {
      const part = source.slice(from, places[i + 1]?.from ?? source.length);
      return { from, fence, source: part, node: document.createElement(element.tagName === "SPAN" ? "span" : "div"), drawn: false, short, whole };
    });
    const width = 110;
    for (const piece of pieces) {
      piece.node.className = "piece";
      piece.node.textContent = piece.source;
      if (pieces.length > 1) {
        let lines = 0;
        for (const line of piece.source.split("\n")) lines += Math.max(Math.ceil(line.length / width), 1);
        piece.node.style.containIntrinsicSize = `auto ${Math.round(lines * 1.5)}rem`;
        piece.node.classList.add("far");
      }
      piece_of.set(piece.node, piece);
      sight.observe(piece.node);
    }
    element.replaceChildren(...pieces.map((piece) => piece.node));
    shown.set(element, { source, pieces });
  }

  /** Source text instead of drawn text, and back. */
  function toggle() {
    on = !on;
    for (const { pieces } of shown.values()) {
      for (const piece of pieces) {
        if (!on && piece.drawn) { piece.node.textContent = piece.source; piece.drawn = false; piece.again = true; }
        else if (on && piece.again) { piece.again = false; drawPiece(piece); }
      }
    }
    document.body.classList.toggle("source", !on);
    if (on) for (const { pieces } of shown.values()) for (const piece of pieces) if (!piece.drawn) sight.observe(piece.node);
  }

  for (const element of document.querySelectorAll(".tex")) prepare(element);
  window.factoryText = { shown, toggle, drawPiece, cuts, prepare };
})();
