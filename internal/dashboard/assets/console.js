// What pages do beyond reading: all of it is a convenience, and nothing needs it.
(function () {
  "use strict";
  var tag = document.documentElement.lang || "en";

  // Times are written in UTC; the reader's own time stands beside it.
  function localTimes(root) {
    root.querySelectorAll("time[datetime]").forEach(function (t) {
      var at = new Date(t.getAttribute("datetime"));
      if (!isNaN(at)) t.title = at.toLocaleString(tag, { dateStyle: "medium", timeStyle: "medium" }) + (t.title ? " · " + t.title : "");
    });
  }

  // The next attempt is counted down; when it is due, the page is read again.
  function countDown() {
    document.querySelectorAll("[data-countdown] time").forEach(function (t) {
      var left = Math.ceil((new Date(t.getAttribute("datetime")) - Date.now()) / 1000);
      if (isNaN(left)) return;
      if (left <= 0) { if (left > -4 && document.dispatchEvent(new Event("malote:again", { cancelable: true }))) location.reload(); return; }
      if (left < 3600) t.textContent = Math.floor(left / 60) + ":" + String(left % 60).padStart(2, "0");
    });
  }

  // What keeps up to date does not while nobody looks, or somebody reads in it.
  document.addEventListener("htmx:beforeRequest", function (e) {
    var on = document.getElementById("live-on");
    var busy = e.target.contains(document.activeElement) || e.target.querySelector("details[open]");
    if (e.target.id === "live" && (document.hidden || busy || (on && !on.checked))) e.preventDefault();
  });
  document.addEventListener("htmx:beforeSwap", function (e) { // signed out meanwhile
    if (new URL(e.detail.xhr.responseURL, location.href).pathname !== "/signin") return;
    e.detail.shouldSwap = false;
    location.reload();
  });
  document.documentElement.classList.add("js");

  // A link that opens once is opened by a person's browser, not by what looks at links.
  var go = document.querySelector("form[data-go]");
  if (go && !document.hidden) go.submit();

  // A press on a button that was pressed just now is one press.
  document.addEventListener("submit", function (e) {
    if (e.target.dataset.sent) { e.preventDefault(); return; }
    e.target.dataset.sent = "1";
    setTimeout(function () { delete e.target.dataset.sent; }, 3000);
  });

  // Escape closes the menu, as does a click elsewhere.
  document.addEventListener("keydown", function (e) {
    var menu = document.querySelector("details.menu[open]");
    if (e.key === "Escape" && menu) { menu.open = false; menu.querySelector("summary").focus(); }
  });
  document.addEventListener("click", function (e) {
    var menu = document.querySelector("details.menu[open]");
    if (menu && !menu.contains(e.target)) menu.open = false;
  });

  // What is meant to be copied has a button for it.
  function copyButtons(root) {
    root.querySelectorAll("pre[data-copy]").forEach(function (pre) {
      if (!navigator.clipboard || pre.dataset.copies) return;
      pre.dataset.copies = "1";
      var button = document.createElement("button");
      button.type = "button";
      button.className = "quiet copy";
      button.textContent = pre.dataset.copy;
      button.addEventListener("click", function () {
        navigator.clipboard.writeText(pre.textContent).then(function () { button.textContent = pre.dataset.copied; });
      });
      pre.parentNode.insertBefore(button, pre);
    });
  }

  document.addEventListener("htmx:load", function (e) { localTimes(e.target); copyButtons(e.target); });
  if (!window.htmx) { localTimes(document); copyButtons(document); }
  countDown();
  setInterval(countDown, 1000);
})();
