// <live-list source="…" most="200" says="id" pause="id">, around a table: a
// list that goes on. New rows come on top, the oldest leave. While somebody
// pauses, or does not look, nothing is asked for. says and pause are the ids of
// where it says how it goes, and of the button.
interface Rows {
  says: string;
  html?: string;
}

const again = 5000; // milliseconds until a connection that was refused is tried again

class LiveList extends HTMLElement {
  private source: EventSource | undefined;
  private paused = false;
  private over = false;
  private leaving = new AbortController();

  connectedCallback(): void {
    const address = this.getAttribute("source");
    const says = document.getElementById(this.getAttribute("says") ?? "");
    const pause = document.getElementById(this.getAttribute("pause") ?? "");
    if (!address || !says || !pause) return;
    this.leaving = new AbortController();
    const { signal } = this.leaving;
    pause.addEventListener("click", () => this.turn(pause, says), { signal });
    document.addEventListener("visibilitychange", () => (document.hidden ? this.stop() : this.start()), { signal });
    window.addEventListener("pagehide", () => this.stop(), { signal });
    window.addEventListener("pageshow", () => this.start(), { signal });
    this.start = () => this.listen(address, says);
    this.start();
  }

  disconnectedCallback(): void {
    this.leaving.abort();
    this.stop();
  }

  private start: () => void = () => undefined;

  private stop(): void {
    this.source?.close();
    this.source = undefined;
  }

  private turn(pause: HTMLElement, says: HTMLElement): void {
    this.paused = !this.paused;
    pause.setAttribute("aria-pressed", String(this.paused));
    if (!this.paused) return this.start();
    this.stop();
    says.textContent = says.dataset["paused"] ?? "";
  }

  private listen(address: string, says: HTMLElement): void {
    if (this.source || this.paused || this.over || document.hidden || !this.isConnected) return;
    const source = (this.source = new EventSource(address));
    source.addEventListener("rows", (e) => {
      const came = JSON.parse(e.data) as Rows;
      says.textContent = came.says;
      if (came.html) this.put(came.html);
    });
    source.addEventListener("full", (e) => {
      this.over = true;
      this.stop();
      says.textContent = (JSON.parse(e.data) as Rows).says;
    });
    source.addEventListener("over", () => {
      this.over = true;
      this.stop();
      location.reload();
    });
    source.onerror = () => {
      says.textContent = says.dataset["lost"] ?? "";
      if (source.readyState !== EventSource.CLOSED || this.source !== source) return;
      this.stop();
      setTimeout(() => this.start(), again);
    };
  }

  // put shows rows, which are of this server's own templates: a row that is
  // here already is replaced, unless somebody is at it.
  private put(html: string): void {
    const body = this.querySelector("tbody");
    if (!body) return;
    const fresh = document.createElement("template");
    fresh.innerHTML = html;
    for (const row of [...fresh.content.querySelectorAll<HTMLTableRowElement>("tr")].reverse()) {
      const old = body.querySelector(`tr[data-id="${CSS.escape(row.dataset["id"] ?? "")}"]`);
      if (old?.contains(document.activeElement)) continue;
      if (old) {
        old.replaceWith(row);
        continue;
      }
      row.classList.add("fresh");
      body.prepend(row);
    }
    const most = Number(this.getAttribute("most"));
    for (let last = body.lastElementChild; last && body.rows.length > most; last = body.lastElementChild) {
      if (last.contains(document.activeElement)) break;
      last.remove();
    }
  }
}

customElements.define("live-list", LiveList);
