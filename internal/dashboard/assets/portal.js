// The portal in a frame: no cookie is kept there. The token stands behind the #
// of the address, is kept in memory alone, and goes with each request.
(function () {
  "use strict";
  var token = location.hash.slice(1), tongue = document.documentElement.lang, here = "/portal", turn = 0;
  history.replaceState({ path: here }, "", location.pathname + location.search);

  function tell(message) { if (parent !== window) parent.postMessage(message, "*"); } // of which nothing is secret

  function say(id) {
    document.getElementById("loading") && (document.getElementById("loading").hidden = true);
    var text = document.getElementById(id);
    if (text) text.hidden = false;
  }

  // What a page has is put in the place of what is here; its scripts do not run.
  function show(text, path) {
    var page = new DOMParser().parseFromString(text, "text/html");
    document.title = page.title;
    document.body.className = page.body.className;
    document.body.replaceChildren.apply(document.body, Array.from(page.body.childNodes).map(function (n) { return document.importNode(n, true); }));
    here = path;
    document.dispatchEvent(new CustomEvent("htmx:load"));
    window.scrollTo(0, 0);
    var main = document.getElementById("main");
    if (main) main.focus({ preventScroll: true });
  }

  function ask(path, how, keep) {
    var mine = ++turn;
    how.headers = { "Authorization": "Bearer " + token, "Accept-Language": tongue };
    how.credentials = "omit";
    return fetch(path, how).then(function (answer) {
      return answer.text().then(function (text) {
        if (mine !== turn) return; // something else was asked for since
        var at = new URL(answer.url, location.href);
        show(text, at.pathname + at.search);
        if (keep) history.pushState({ path: here }, "");
        if (answer.status === 401) tell({ malote: "over" });
      });
    }).catch(function () { if (mine === turn) document.getElementById("broken") ? say("broken") : ask(here, {}, false); });
  }

  // inside is a path of the portal that an address leads to, else nothing.
  function inside(address) {
    var to = new URL(address, new URL(here, location.href));
    return to.origin === location.origin && (to.pathname === "/portal" || to.pathname.indexOf("/portal/") === 0) ? to : null;
  }

  document.addEventListener("click", function (e) {
    var link = e.target.closest && e.target.closest("a[href]");
    if (!link || e.defaultPrevented || e.button !== 0 || e.ctrlKey || e.metaKey || e.shiftKey) return;
    var href = link.getAttribute("href");
    if (href.charAt(0) === "#") return;
    e.preventDefault();
    var to = inside(href);
    if (to) ask(to.pathname + to.search, {}, true);
  });

  document.addEventListener("submit", function (e) {
    if (e.defaultPrevented) return;
    e.preventDefault();
    var form = e.target, fields = new URLSearchParams(new FormData(form, e.submitter || undefined));
    var to = inside(form.getAttribute("action") || here);
    if (!to) return;
    if (form.method === "get") ask(to.pathname + "?" + fields, {}, true);
    else ask(to.pathname, { method: "POST", body: fields }, true);
  });

  window.addEventListener("popstate", function (e) { if (e.state && e.state.path) ask(e.state.path, {}, false); });
  document.addEventListener("malote:again", function (e) { e.preventDefault(); ask(here, {}, false); });
  new ResizeObserver(function () { tell({ malote: "height", height: Math.ceil(document.documentElement.getBoundingClientRect().height) }); }).observe(document.body);

  if (token) ask(here, {}, false);
  else { say("lost"); tell({ malote: "over" }); }
})();
