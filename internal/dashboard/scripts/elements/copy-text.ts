// <copy-text label="Copy" done="Copied"><pre>…</pre></copy-text>: what is
// inside is meant to be copied, and has a button for it.
class CopyText extends HTMLElement {
  connectedCallback(): void {
    const text = this.querySelector("pre");
    if (!text || !navigator.clipboard || this.querySelector("button")) return;
    const button = document.createElement("button");
    button.type = "button";
    button.className = "quiet copy";
    button.textContent = this.getAttribute("label");
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(text.textContent ?? "");
      button.textContent = this.getAttribute("done");
    });
    text.before(button);
  }
}

customElements.define("copy-text", CopyText);
