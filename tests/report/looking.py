"""What an eye would see, measured in the page: texts that overlap or are cut in plots, pages wider than the window."""

from __future__ import annotations

OVERLAPS = """
(() => {
  const found = [];
  for (const svg of document.querySelectorAll("figure svg")) {
    const frame = svg.getBoundingClientRect();
    const texts = [...svg.querySelectorAll("text, text tspan")].filter((t) => !t.querySelector("tspan") && t.textContent.trim());
    const boxes = texts.map((t) => [t.textContent.trim(), t.getBoundingClientRect()]);
    for (const [text, box] of boxes) {
      if (box.left < frame.left - 2 || box.right > frame.right + 2 || box.top < frame.top - 2 || box.bottom > frame.bottom + 2)
        found.push(`cut in "${svg.getAttribute("aria-label")}": ${text}`);
    }
    for (let i = 0; i < boxes.length; i++) for (let j = i + 1; j < boxes.length; j++) {
      const [a, b] = [boxes[i][1], boxes[j][1]];
      const across = Math.min(a.right, b.right) - Math.max(a.left, b.left);
      const down = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
      if (across > 1.5 && down > Math.min(a.height, b.height) * 0.45)
        found.push(`overlap in "${svg.getAttribute("aria-label")}": ${boxes[i][0]} / ${boxes[j][0]}`);
    }
  }
  return found;
})()
"""

TOO_WIDE = """
(() => {
  const found = [];
  const width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth > width + 1) found.push(`page is ${document.documentElement.scrollWidth} wide in ${width}`);
  for (const element of document.querySelectorAll("h1, h2, h3, p, summary, .card, .badge, button, dd, .text, pre, .chip")) {
    const box = element.getBoundingClientRect();
    const scrolls = element.closest(".scroll, pre, .text");
    if (box.width && !scrolls && box.right > width + 1) found.push(`${element.tagName}.${element.className} reaches ${Math.round(box.right)}`);
  }
  return found;
})()
"""

CONTRAST = """
(() => {
  const parse = (c) => c.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => {
    const f = (v) => { v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; };
    return 0.2126 * f(r) + 0.7152 * f(g) + 0.0722 * f(b);
  };
  const ground = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const c = parse(getComputedStyle(e).backgroundColor);
      if (c.length < 4 || c[3] > 0) return c;
    }
    return [255, 255, 255];
  };
  const found = [];
  for (const element of document.querySelectorAll("h1, h2, p, td, th, a, summary, small, dt, dd, span, b, button, svg text")) {
    if (!element.textContent.trim() || !element.getClientRects().length || element.closest(".katex")) continue;
    const style = getComputedStyle(element);
    const ink = parse(element instanceof SVGElement ? (style.fill === "none" ? style.color : style.fill) : style.color);
    const [a, b] = [light(ink), light(ground(element))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) found.push(`${ratio.toFixed(2)}: ${element.tagName} ${element.textContent.trim().slice(0, 40)}`);
  }
  return [...new Set(found)].slice(0, 10);
})()
"""
"""Texts whose contrast is below 4.5 to 1 (WCAG 2.2, 1.4.3)."""

SPILLS = """
(() => {
  const found = [];
  for (const element of document.querySelectorAll("body, section, div, p, li, h1, h2, h4, h5, table, td, th, figure, article, details, summary, dd, nav, math")) {
    if (!element.checkVisibility() || element.closest("math[display=block]")) continue;
    const [own, parent] = [element.getBoundingClientRect(), element.parentElement.getBoundingClientRect()];
    const name = `${element.tagName}.${element.className} ${(element.textContent || "").trim().slice(0, 40)}`;
    if (own.right > parent.right + 1.5 || own.left < parent.left - 1.5) found.push(`stands out: ${name}`);
    if (element.scrollWidth > element.clientWidth + 1 && element.clientWidth) found.push(`wider inside: ${name}`);
  }
  return found.slice(0, 10);
})()
"""
"""Elements that are wider than what holds them."""

SMALL_TEXT = """
(() => {
  const found = new Set();
  for (const svg of document.querySelectorAll("figure svg")) {
    if (!svg.checkVisibility()) continue;
    const scale = svg.getBoundingClientRect().width / svg.viewBox.baseVal.width;
    for (const text of svg.querySelectorAll("text")) {
      const size = parseFloat(getComputedStyle(text).fontSize) * scale;
      if (size < 9) found.add(`${size.toFixed(1)} px: ${text.textContent.trim()}`);
    }
  }
  return [...found];
})()
"""
"""Texts in plots that are less than 9 pixels tall as they are shown."""

OPEN_ALL = "for (const each of document.querySelectorAll('details')) each.open = true"
FOLDED = "[...document.querySelectorAll('details:not([open]) table, details:not([open]) .text')].filter((e) => !e.checkVisibility({contentVisibilityAuto: true})).length"
"""How many folded tables and texts do not show."""
