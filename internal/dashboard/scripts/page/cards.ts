// On a narrow screen a row of a list stands as a card (console.css): each cell
// is told the name of its column, which shows there before it. Without this the
// list scrolls sideways.
function name(table: HTMLTableElement): void {
  const heads = table.tHead?.rows[0]?.cells;
  if (!heads) return;
  table.classList.add("carded");
  for (const body of table.tBodies) {
    for (const row of body.rows) {
      [...row.cells].forEach((cell, i) => {
        if (cell.dataset["of"] !== undefined) return;
        const head = heads[i];
        cell.dataset["of"] = head && !head.querySelector(".unseen") ? (head.textContent ?? "").trim() : "";
        if (!cell.textContent?.trim() && !cell.querySelector("input, svg")) cell.dataset["blank"] = "";
      });
    }
  }
}

const tables = "table.rows";

function look(part: Element): void {
  const around = part.closest<HTMLTableElement>(tables);
  if (around) name(around);
  else part.querySelectorAll<HTMLTableElement>(tables).forEach(name);
}

look(document.body);
new MutationObserver((changes) => {
  for (const change of changes) {
    for (const part of change.addedNodes) if (part instanceof Element) look(part);
  }
}).observe(document.body, { childList: true, subtree: true });
