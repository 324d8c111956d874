"use strict";
(() => {
  const every = Number(document.body.dataset.every) * 1000;
  const [live, news, lost] = ["live", "news", "lost"].map((id) => document.getElementById(id));
  const title = document.title;
  const known = () => new Map([...live.querySelectorAll("[data-case]")].map((row) => [row.dataset.case, row.dataset.title]));
  let last = new Date();

  // Makes `old` like `fresh` where they differ, so that focus, scrolling and selections elsewhere stay.
  const become = (old, fresh) => {
    if (old.isEqualNode(fresh)) return;
    if (old.nodeType !== Node.ELEMENT_NODE || old.nodeName !== fresh.nodeName || old.id !== fresh.id) return void old.replaceWith(fresh);
    for (const { name } of [...old.attributes]) if (!fresh.hasAttribute(name)) old.removeAttribute(name);
    for (const { name, value } of fresh.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
    children(old, fresh);
  };
  const children = (old, fresh) => {
    const wanted = new Set([...fresh.children].map((child) => child.id));
    for (const child of [...old.children]) if (child.id && !wanted.has(child.id)) child.remove();
    let at = old.firstChild;
    for (const child of [...fresh.childNodes]) {
      const same = child.id ? [...old.children].find((other) => other.id === child.id) : at && !at.id && at.nodeName === child.nodeName ? at : null;
      if (!same) { old.insertBefore(child, at); continue; }
      if (same === at) at = at.nextSibling; else old.insertBefore(same, at);
      become(same, child);
    }
    while (at) { const next = at.nextSibling; at.remove(); at = next; }
  };

  const update = async () => {
    const address = new URL(location.href);
    address.searchParams.set("part", "live");
    const answer = await fetch(address, { cache: "no-store", signal: AbortSignal.timeout(20000) });
    if (!answer.ok && answer.status !== 404) throw new Error(answer.status);
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").body;
    const before = known();
    const focused = document.activeElement && live.contains(document.activeElement) ? document.activeElement.id : null;
    children(live, fresh);
    if (focused && document.activeElement === document.body) document.getElementById(focused)?.focus({ preventScroll: true });
    const added = [...known()].filter(([id]) => !before.has(id)).map(([, what]) => what);
    if (added.length) news.textContent = added.length > 3 ? `${added.length} new cases` : `New: ${added.join("; ")}`;
    document.title = known().size ? `(${known().size}) ${title}` : title;
    lost.textContent = "";
    last = new Date();
  };
  const again = async () => {
    // A page that nobody sees asks for nothing.
    if (!document.hidden) {
      try { await update(); } catch {
        lost.textContent = `No answer since ${last.toISOString().slice(11, 19)} UTC: does aks-stop-guard board still run? What is shown was known then.`;
      }
    }
    setTimeout(again, every);
  };
  if (every) setTimeout(again, every);
})();
