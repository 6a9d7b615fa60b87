// <again-soon>: news of this page comes within seconds, so it is read again,
// but not while somebody looks elsewhere or is in the midst of it.
const pause = 2000; // milliseconds
let touched = false;

document.addEventListener("pointerdown", (e) => {
  touched ||= e.target instanceof Element && e.target.closest("main") !== null;
});

function busy(): boolean {
  const at = document.activeElement;
  return document.hidden || touched || String(getSelection()) !== "" || (at !== null && at !== document.body && at.id !== "main");
}

class AgainSoon extends HTMLElement {
  private timer = 0;

  connectedCallback(): void {
    touched = false;
    this.timer = window.setInterval(() => {
      if (!busy() && document.dispatchEvent(new Event("malote:again", { cancelable: true }))) location.reload();
    }, pause);
  }

  disconnectedCallback(): void {
    clearInterval(this.timer);
  }
}

customElements.define("again-soon", AgainSoon);
