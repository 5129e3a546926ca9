"""Walking through the viewer in a browser: every page that a page links to, and what an eye would see wrong on it."""

from __future__ import annotations

from urllib.parse import urlsplit

WIDER = """
(() => {
  const found = [];
  const root = document.documentElement;
  if (root.scrollWidth > root.clientWidth + 1) found.push(`page: ${root.scrollWidth} in ${root.clientWidth}`);
  for (const element of document.querySelectorAll("body *")) {
    if (!element.clientWidth || element.closest(".katex, .katex-display, svg, .menu, dialog, .scroll, pre, select")) continue;
    const style = getComputedStyle(element);
    if (style.display === "inline" || ["auto", "scroll"].includes(style.overflowX) || style.textOverflow === "ellipsis") continue;
    if (element.tagName === "INPUT" || element.tagName === "TEXTAREA" || element.tagName === "TABLE") continue;
    if (element.scrollWidth > element.clientWidth + 2) found.push(`${element.tagName}.${element.className}: ${element.scrollWidth} in ${element.clientWidth}`);
  }
  for (const box of innerWidth > 1000 ? document.querySelectorAll(".scroll") : [])
    if (box.scrollWidth > box.clientWidth + 2) found.push(`table: ${box.scrollWidth} in ${box.clientWidth}`);
  for (const text of document.querySelectorAll("svg text")) {
    const size = text.getBoundingClientRect().height;
    if (size && size < 9) found.push(`svg text of ${size} px: ${text.textContent.slice(0, 30)}`);
  }
  return found.slice(0, 5);
})()
"""
"""Elements whose content is wider than they are, and text in plots below 9 px."""

OPEN_ALL = "document.querySelectorAll('details:not(.menu)').forEach((d) => { d.open = true; })"

LINKS = "[...document.querySelectorAll('main a[href], nav a[href], tr[data-href]')].map((a) => a.dataset.href ? new URL(a.dataset.href, location.href).href : a.href)"

ANSWER = "performance.getEntriesByType('navigation')[0].responseStatus"


def walk(browser, address: str, *, kinds: dict[str, int]):
    """Open pages breadth first, at most so many of each path; give path, address and status of each as it stands open."""
    left, seen, todo = dict(kinds), set(), ["/"]
    while todo:
        url = todo.pop(0)
        path = urlsplit(url).path
        if url in seen or left.get(path, 0) <= 0:
            continue
        seen.add(url)
        left[path] -= 1
        browser.open(address + url)
        yield path, url, browser.run(ANSWER)
        found = [urlsplit(link) for link in browser.run(LINKS) if link.startswith(address)]
        todo += [f"{link.path}?{link.query}" if link.query else link.path for link in found]
