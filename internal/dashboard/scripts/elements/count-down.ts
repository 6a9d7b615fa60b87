// <count-down><time datetime="…">…</time></count-down>: the time until then is
// counted down in its last hour; when it is there, the page is read again.
const hour = 3600; // seconds
const late = 4; // seconds after which it was over before the page came

class CountDown extends HTMLElement {
  private timer = 0;

  connectedCallback(): void {
    this.timer = window.setInterval(() => this.tick(), 1000);
    this.tick();
  }

  disconnectedCallback(): void {
    clearInterval(this.timer);
  }

  private tick(): void {
    const time = this.querySelector("time");
    const left = Math.ceil((new Date(time?.dateTime ?? "").getTime() - Date.now()) / 1000);
    if (!time || Number.isNaN(left)) return;
    if (left > 0) {
      if (left < hour) time.textContent = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`;
      return;
    }
    // The portal within a frame reads its page again by itself.
    if (left > -late && document.dispatchEvent(new Event("malote:again", { cancelable: true }))) location.reload();
  }
}

customElements.define("count-down", CountDown);
