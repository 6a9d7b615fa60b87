// <malote-portal>: a company's page shows its customer the portal, in a frame as
// high as what is in it. For whom, its backend says: session is an address of
// it that makes a portal session, or getSession a function; either answers with
// the session's embed_url. When that is over, another is asked for.
const wishes = ["lang", "theme", "tabs", "next"];

class MalotePortal extends HTMLElement {
  getSession?: () => Promise<string>;
  private frame = document.createElement("iframe");
  private good = false; // the session showed a page

  connectedCallback(): void {
    this.frame.title = this.title || "Webhooks";
    this.frame.allow = "clipboard-write";
    this.frame.style.cssText = "border:0;display:block;width:100%;min-height:20rem;color-scheme:normal";
    this.append(this.frame);
    addEventListener("message", this.hear);
    void this.begin();
  }

  disconnectedCallback(): void {
    removeEventListener("message", this.hear);
    this.frame.remove();
  }

  private async embed(): Promise<string> {
    if (this.getSession) return this.getSession();
    const answer = await fetch(this.getAttribute("session") ?? "", { method: "POST", headers: { Accept: "application/json" } });
    if (!answer.ok) throw new Error(`the session was answered with ${answer.status}`);
    return ((await answer.json()) as { embed_url: string }).embed_url;
  }

  private async begin(next?: string): Promise<void> {
    this.good = false;
    try {
      const url = new URL(await this.embed());
      for (const name of wishes) {
        const wish = (name === "next" && next) || this.getAttribute(name);
        if (wish) url.searchParams.set(name, wish);
      }
      url.searchParams.set("at", String(Date.now())); // another address, so that the frame loads anew
      this.frame.src = url.href;
    } catch (error) {
      this.dispatchEvent(new CustomEvent("malote-failed", { detail: error, bubbles: true }));
    }
  }

  private hear = (e: MessageEvent<{ malote?: string; height?: number; path?: string }>): void => {
    if (e.source !== this.frame.contentWindow || e.origin !== new URL(this.frame.src, location.href).origin) return;
    if (e.data.malote === "height") this.frame.style.height = `${e.data.height}px`;
    if (e.data.malote === "at") this.good = true;
    if (e.data.malote === "over" && this.good) void this.begin(e.data.path); // else it would go on for ever
  };
}

customElements.define("malote-portal", MalotePortal);
