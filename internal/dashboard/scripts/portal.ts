// The portal in a frame: no cookie is kept there. The token stands behind the #
// of the address, is kept in memory alone, and goes with each request.
const token = location.hash.slice(1);
const language = document.documentElement.lang;
const wishes = new URLSearchParams(location.search);
let here = "/portal";
const first = inside(wishes.get("next") ?? here);
if (first) here = first.pathname + first.search;
let turn = 0;

history.replaceState({ path: here }, "", location.pathname + location.search);

// tell the page around of what is no secret.
function tell(message: { malote: "at" | "over"; path: string } | { malote: "height"; height: number }): void {
  if (parent !== window) parent.postMessage(message, "*");
}

function say(id: "lost" | "broken"): void {
  const loading = document.getElementById("loading");
  if (loading) loading.hidden = true;
  const text = document.getElementById(id);
  if (text) text.hidden = false;
}

// show puts what a page has in the place of what is here; its scripts do not run.
function show(text: string, path: string): void {
  const page = new DOMParser().parseFromString(text, "text/html");
  document.title = page.title;
  document.body.className = page.body.className;
  document.body.classList.toggle("bare", wishes.get("tabs") === "none");
  document.body.replaceChildren(...[...page.body.childNodes].map((n) => document.importNode(n, true)));
  here = path;
  window.scrollTo(0, 0);
  document.getElementById("main")?.focus({ preventScroll: true });
}

async function ask(path: string, how: RequestInit, keep: boolean): Promise<void> {
  const mine = ++turn; // while it is the latest, nothing else was asked for since
  try {
    const answer = await fetch(path, { ...how, headers: { Authorization: `Bearer ${token}`, "Accept-Language": language }, credentials: "omit" });
    const text = await answer.text();
    if (mine !== turn) return;
    const at = new URL(answer.url, location.href);
    // What a form is answered with at once has no address: it stands where the form stood.
    const placed = how.method !== "POST" || answer.redirected;
    show(text, placed ? at.pathname + at.search : here);
    if (keep && placed) history.pushState({ path: here }, "");
    tell({ malote: answer.status === 401 ? "over" : "at", path: here });
  } catch {
    if (mine !== turn) return;
    if (document.getElementById("broken")) say("broken");
    else void ask(here, {}, false);
  }
}

// inside is a path of the portal that an address leads to, else nothing.
function inside(address: string): URL | undefined {
  const to = new URL(address, new URL(here, location.href));
  return to.origin === location.origin && (to.pathname === "/portal" || to.pathname.startsWith("/portal/")) ? to : undefined;
}

document.addEventListener("click", (e) => {
  const link = e.target instanceof Element ? e.target.closest("a[href]") : null;
  if (!link || e.defaultPrevented || e.button !== 0 || e.ctrlKey || e.metaKey || e.shiftKey) return;
  const href = link.getAttribute("href") ?? "";
  if (href.startsWith("#")) return;
  e.preventDefault();
  const to = inside(href);
  if (to) void ask(to.pathname + to.search, {}, true);
});

document.addEventListener("submit", (e) => {
  if (e.defaultPrevented || !(e.target instanceof HTMLFormElement)) return;
  e.preventDefault();
  const form = e.target;
  const fields = new URLSearchParams();
  for (const [name, value] of new FormData(form, e.submitter)) if (typeof value === "string") fields.append(name, value);
  const to = inside(form.getAttribute("action") ?? here);
  if (!to) return;
  if (form.method === "get") void ask(`${to.pathname}?${fields}`, {}, true);
  else void ask(to.pathname, { method: "POST", body: form.enctype === "multipart/form-data" ? new FormData(form, e.submitter) : fields }, true);
});

window.addEventListener("popstate", (e) => {
  const state = e.state as { path?: string } | null;
  if (state?.path) void ask(state.path, {}, false);
});

document.addEventListener("malote:again", (e) => {
  e.preventDefault();
  void ask(here, {}, false);
});

new ResizeObserver(() => {
  tell({ malote: "height", height: Math.ceil(document.documentElement.getBoundingClientRect().height) });
}).observe(document.body);

if (token) void ask(here, {}, false);
else {
  say("lost");
  tell({ malote: "over", path: here });
}
