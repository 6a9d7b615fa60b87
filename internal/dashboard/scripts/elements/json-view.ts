// <json-view …>, around a <pre> with JSON on lines of its own: a tree that can
// be folded and searched, and says the path of what is chosen. What it says
// stands in attributes: label, search, found, path, value, copied, text, tree,
// more. Its tokens are those of the text, to the letter.
//
// Arrows go up and down, right unfolds, left folds; Enter and Space do either.
import { type Line, path, read, source } from "./json-lines";

const step = 500; // lines that are shown at once, and with each press for more
const small = 12; // lines up to which there is nothing to search
const large = 1000; // lines from which on what lies deep is folded at first

class JSONView extends HTMLElement {
  private lines: Line[] = [];
  private folded = new Set<number>();
  private most = step;
  private chosen = 0;
  private tree = document.createElement("div");
  private more = this.button("more", () => this.grow());
  private where = document.createElement("output");
  private count = document.createElement("output");
  private found: number[] = [];
  private searched = "";

  connectedCallback(): void {
    const pre = this.querySelector("pre");
    if (!pre || this.lines.length > 0) return;
    this.lines = read(pre.textContent ?? "");
    if (this.lines.length < 2) return;
    if (this.lines.length > large) this.foldDeep();
    this.tree.className = "code tree";
    this.tree.setAttribute("role", "tree");
    this.tree.setAttribute("aria-label", this.getAttribute("label") ?? "");
    this.tree.addEventListener("click", (e) => this.press(e));
    this.tree.addEventListener("keydown", (e) => this.key(e));
    pre.hidden = true;
    pre.before(...this.tools(pre), this.tree, this.more, this.chosenLine());
    this.draw();
  }

  private button(label: string, press: (b: HTMLButtonElement) => void): HTMLButtonElement {
    const b = document.createElement("button");
    b.type = "button";
    b.className = "quiet";
    b.textContent = this.getAttribute(label);
    b.addEventListener("click", () => press(b));
    return b;
  }

  // tools stand above: a search, and the way back to the text.
  private tools(pre: HTMLPreElement): HTMLElement[] {
    const tools = document.createElement("div");
    tools.className = "row tools";
    if (this.lines.length > small) {
      const search = document.createElement("input");
      search.type = "search";
      search.placeholder = this.getAttribute("search") ?? "";
      search.setAttribute("aria-label", search.placeholder);
      search.autocomplete = "off";
      search.addEventListener("input", () => this.search(search.value));
      search.addEventListener("keydown", (e) => {
        if (e.key !== "Enter") return;
        e.preventDefault();
        this.next(e.shiftKey ? -1 : 1);
      });
      tools.append(search, this.count);
    }
    tools.append(
      this.button("text", (b) => {
        pre.hidden = !pre.hidden;
        this.classList.toggle("as-text", !pre.hidden);
        b.textContent = this.getAttribute(pre.hidden ? "text" : "tree");
      }),
    );
    return [tools];
  }

  // chosenLine stands below: the path of what is chosen, to be copied.
  private chosenLine(): HTMLElement {
    const line = document.createElement("div");
    line.className = "row at";
    const copy = (label: string, text: () => string) => {
      const b = this.button(label, async () => {
        await navigator.clipboard.writeText(text());
        b.textContent = this.getAttribute("copied");
        setTimeout(() => (b.textContent = this.getAttribute(label)), 2000);
      });
      return b;
    };
    line.append(this.where);
    if (navigator.clipboard) {
      line.append(
        copy("path", () => path(this.lines, this.chosen)),
        copy("value", () => source(this.lines, this.chosen)),
      );
    }
    return line;
  }

  private foldDeep(): void {
    this.lines.forEach((line, i) => {
      if (line.close && line.depth > 1) this.folded.add(i);
    });
  }

  // shown are the lines that are not folded away, as far as they are drawn.
  private shown(): number[] {
    const out: number[] = [];
    let i = 0;
    while (i < this.lines.length && out.length < this.most) {
      out.push(i);
      i = this.folded.has(i) ? (this.lines[i]?.end ?? i + 1) : i + 1;
    }
    this.more.hidden = i >= this.lines.length;
    return out;
  }

  private draw(): void {
    this.tree.replaceChildren(...this.shown().map((i) => this.row(i)));
    this.choose(this.chosen, false);
  }

  private row(i: number): HTMLElement {
    const row = document.createElement("div");
    const line = this.lines[i];
    if (!line) return row;
    row.setAttribute("role", "treeitem");
    row.setAttribute("aria-level", String(line.depth + 1));
    row.dataset["i"] = String(i);
    row.tabIndex = -1;
    row.style.setProperty("--depth", String(line.depth));
    const part = (kind: string, text: string) => {
      const span = document.createElement("span");
      span.className = kind;
      span.textContent = text;
      row.append(span);
    };
    if (line.name !== undefined) {
      part("name", line.name);
      row.append(": ");
    }
    if (line.close) {
      const folded = this.folded.has(i);
      row.setAttribute("aria-expanded", String(!folded));
      part("size", folded ? `${line.text}…${line.close} ${line.size}` : line.text);
    } else {
      part(line.text.startsWith('"') ? "text" : "token", line.text);
    }
    if (this.searched && this.holds(line)) row.classList.add("found");
    return row;
  }

  private grow(): void {
    const first = this.tree.childElementCount;
    this.most += step;
    this.draw();
    this.choose(Number((this.tree.children[first] as HTMLElement | undefined)?.dataset["i"] ?? this.chosen), true);
  }

  private rowOf(i: number): HTMLElement | null {
    return this.tree.querySelector(`[data-i="${i}"]`);
  }

  // choose a line: the one that Tab comes to, and whose path is said.
  private choose(i: number, focus: boolean): void {
    const row = this.rowOf(i) ?? this.rowOf(0);
    if (!row) return;
    for (const old of this.tree.querySelectorAll<HTMLElement>("[tabindex='0']")) {
      old.tabIndex = -1;
      old.removeAttribute("aria-current");
    }
    this.chosen = Number(row.dataset["i"]);
    row.tabIndex = 0;
    row.setAttribute("aria-current", "true");
    this.where.value = path(this.lines, this.chosen);
    if (focus) row.focus();
  }

  private fold(i: number, folded: boolean): void {
    if (folded) this.folded.add(i);
    else this.folded.delete(i);
    this.draw();
    this.choose(i, true);
  }

  private press(e: MouseEvent): void {
    const row = e.target instanceof Element ? e.target.closest<HTMLElement>("[role=treeitem]") : null;
    if (!row || getSelection()?.type === "Range") return; // somebody marks text
    const i = Number(row.dataset["i"]);
    if (this.lines[i]?.close) this.fold(i, !this.folded.has(i));
    else this.choose(i, true);
  }

  private key(e: KeyboardEvent): void {
    if (e.ctrlKey || e.metaKey || e.altKey) return;
    const i = this.chosen;
    const line = this.lines[i];
    const row = this.rowOf(i);
    const go = (to: Element | null | undefined) => {
      if (to instanceof HTMLElement) this.choose(Number(to.dataset["i"]), true);
    };
    const open = line?.close && !this.folded.has(i);
    switch (e.key) {
      case "ArrowDown":
        go(row?.nextElementSibling);
        break;
      case "ArrowUp":
        go(row?.previousElementSibling);
        break;
      case "Home":
        go(this.tree.firstElementChild);
        break;
      case "End":
        go(this.tree.lastElementChild);
        break;
      case "ArrowRight":
        if (open) go(row?.nextElementSibling);
        else if (line?.close) this.fold(i, false);
        break;
      case "ArrowLeft":
        if (open) this.fold(i, true);
        else go(this.rowOf(line?.parent ?? -1));
        break;
      case "Enter":
      case " ":
        if (line?.close) this.fold(i, !this.folded.has(i));
        break;
      default:
        return;
    }
    e.preventDefault();
  }

  private holds(line: Line): boolean {
    return `${line.name ?? ""} ${line.close ? "" : line.text}`.toLowerCase().includes(this.searched);
  }

  private search(text: string): void {
    this.searched = text.toLowerCase();
    this.found = this.searched ? this.lines.flatMap((line, i) => (this.holds(line) ? [i] : [])) : [];
    this.count.value = this.searched ? `${this.getAttribute("found")} ${this.found.length}` : "";
    if (this.found.length > 0) this.reveal(this.found[0] ?? 0);
    else this.draw();
  }

  private next(by: number): void {
    const n = this.found.length;
    if (n === 0) return;
    const at = this.found.indexOf(this.chosen);
    const to = (at + by + n) % n;
    this.count.value = `${to + 1} / ${n}`;
    this.reveal(this.found[to] ?? 0);
  }

  // reveal unfolds what a line is in, and shows it; the search keeps the focus.
  private reveal(i: number): void {
    for (let k = this.lines[i]?.parent ?? -1; k >= 0; k = this.lines[k]?.parent ?? -1) this.folded.delete(k);
    this.chosen = i;
    this.most = Math.max(this.most, i + step);
    this.draw();
    this.rowOf(i)?.scrollIntoView({ block: "nearest" });
  }
}

customElements.define("json-view", JSONView);
