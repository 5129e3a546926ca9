"use strict";
// Finds formulas in text and lets KaTeX draw them. What KaTeX cannot read stays as its source, marked, with the reason.
(() => {
  const LONGEST_FORMULA = 6000;
  const MOST_KEPT = 5000;
  const OPTIONS = { throwOnError: true, trust: false, strict: "ignore", maxExpand: 200, maxSize: 20, output: "htmlAndMathml" };
  const ENVIRONMENTS = "align|alignat|aligned|alignedat|array|bmatrix|Bmatrix|cases|CD|dcases|displaymath|eqnarray|equation|gather|gathered|matrix|multline|pmatrix|rcases|smallmatrix|split|subarray|vmatrix|Vmatrix";
  const OTHER_NAMES = { eqnarray: "align", multline: "gather", displaymath: "equation" };
  const BRACES = "\\{(?:[^{}]|\\{(?:[^{}]|\\{(?:[^{}]|\\{[^{}]*\\})*\\})*\\})*\\}";
  // Code is found first, so that dollars in it stay dollars.
  const PATTERN = new RegExp(
    [
      "(?<code>^ *(```+|~~~+)[\\s\\S]*?(?:^ *\\2|(?![\\s\\S]))|`[^`\\n]+`)",
      "\\$\\$(?<dollars>[\\s\\S]+?)\\$\\$",
      "\\\\\\[(?<bracket>[\\s\\S]+?)\\\\\\]",
      "\\\\\\((?<paren>[\\s\\S]+?)\\\\\\)",
      "(?<![\\\\$\\w])\\$(?![\\s$])(?<dollar>(?:\\\\[\\s\\S]|[^$\\\\\\n`])+?)(?<![\\s\\\\])\\$(?![\\d$])",
      `(?<environment>\\\\begin\\{(?<name>(?:${ENVIRONMENTS})\\*?)\\}[\\s\\S]+?\\\\end\\{\\k<name>\\})`,
      `(?<boxed>\\\\f?boxed${BRACES})`,
    ].join("|"),
    "gm",
  );

  /** The text in order as {text} and {tex, source, display}. */
  function pieces(text) {
    const found = [];
    let last = 0;
    for (const match of text.matchAll(PATTERN)) {
      const g = match.groups;
      if (g.code !== undefined) continue;
      const tex = g.dollars ?? g.bracket ?? g.paren ?? g.dollar ?? g.environment ?? g.boxed;
      found.push({ text: text.slice(last, match.index) });
      found.push({ tex, source: match[0], display: (g.dollars ?? g.bracket ?? g.environment) !== undefined });
      last = match.index + match[0].length;
    }
    found.push({ text: text.slice(last) });
    return found;
  }

  const kept = new Map();
  /** A node that shows a formula; the same formula is drawn once and copied. */
  function draw({ tex, source, display }) {
    const key = (display ? "d" : "i") + source;
    let node = kept.get(key);
    if (!node) {
      node = drawn(tex, source, display);
      if (kept.size >= MOST_KEPT) kept.clear();
      kept.set(key, node);
    }
    return node.cloneNode(true);
  }

  function drawn(tex, source, display) {
    const span = document.createElement("span");
    span.className = `${display ? "display" : "inline"}${/\\f?boxed/.test(tex) ? " boxed" : ""}`;
    try {
      if (tex.length > LONGEST_FORMULA) throw new Error(`${tex.length.toLocaleString("en")} characters are too many for a formula`);
      katex.render(named(tex), span, { ...OPTIONS, displayMode: display });
    } catch (error) {
      span.textContent = source;
      span.className += " unread";
      span.title = `shown as source: ${String(error.message).slice(0, 300)}`;
    }
    return span;
  }

  function named(tex) {
    return tex.replace(/\\(begin|end)\{(eqnarray|multline|displaymath)(\*?)\}/g, (_, side, name, star) => `\\${side}{${OTHER_NAMES[name]}${star}}`);
  }

  /** A short value (a gold answer) that is TeX as a whole, without marks around it. */
  function whole(text) {
    return /\\[a-zA-Z]+|[\^_]/.test(text) && !/\$|\\\(|\\\[|\\begin|\\f?boxed/.test(text) && text.length < 400;
  }

  window.factoryTex = { pieces, draw, whole };
})();
