// <local-time><time datetime="…">…</time></local-time>: times are written in
// UTC; the reader's own time stands beside it.
const language = document.documentElement.lang || "en";

class LocalTime extends HTMLElement {
  private done = false;

  connectedCallback(): void {
    const time = this.querySelector("time");
    if (!time || this.done) return;
    const at = new Date(time.dateTime);
    if (Number.isNaN(at.getTime())) return;
    this.done = true;
    const local = at.toLocaleString(language, { dateStyle: "medium", timeStyle: "medium" });
    time.title = time.title ? `${local} · ${time.title}` : local;
  }
}

customElements.define("local-time", LocalTime);
