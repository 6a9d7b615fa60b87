// What keeps up to date (#live, by htmx) does not while nobody looks, or
// somebody reads in it.
const switchedOff = () => {
  const on = document.getElementById("live-on");
  return on instanceof HTMLInputElement && !on.checked;
};

document.addEventListener("htmx:beforeRequest", (e) => {
  const part = e.target;
  if (!(part instanceof Element) || part.id !== "live") return;
  const busy = part.contains(document.activeElement) || part.querySelector("details[open]");
  if (document.hidden || busy || switchedOff()) e.preventDefault();
});

// Who was signed out meanwhile is asked to sign in, on a page of its own.
document.addEventListener("htmx:beforeSwap", (e) => {
  const swap = (e as CustomEvent<{ xhr: XMLHttpRequest; shouldSwap: boolean }>).detail;
  if (new URL(swap.xhr.responseURL, location.href).pathname !== "/signin") return;
  swap.shouldSwap = false;
  location.reload();
});
