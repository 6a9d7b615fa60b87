// A list that goes on: new rows come on top, the oldest leave. While somebody
// pauses, or does not look, nothing is asked for.
(function () {
  "use strict";
  var table = document.getElementById("tail"), says = document.getElementById("tail-says"), pause = document.getElementById("tail-pause");
  if (!table || !table.dataset.source || !says || !pause || !window.EventSource) return;
  var body = table.tBodies[0], most = Number(table.dataset.most), source = null, paused = false, over = false;

  function put(html) {
    var fresh = document.createElement("template");
    fresh.innerHTML = html; // of this server's own templates
    Array.from(fresh.content.querySelectorAll("tr")).reverse().forEach(function (row) {
      var old = body.querySelector('tr[data-id="' + CSS.escape(row.dataset.id) + '"]');
      if (old && old.contains(document.activeElement)) return;
      if (old) old.replaceWith(row); else { row.classList.add("fresh"); body.prepend(row); }
      row.dispatchEvent(new CustomEvent("htmx:load", { bubbles: true }));
    });
    for (var last = body.lastElementChild; last && body.rows.length > most; last = body.lastElementChild) {
      if (last.contains(document.activeElement)) break;
      last.remove();
    }
  }

  function stop() { if (source) source.close(); source = null; }

  function start() {
    if (source || paused || over || document.hidden) return;
    source = new EventSource(table.dataset.source);
    source.addEventListener("rows", function (e) { var m = JSON.parse(e.data); says.textContent = m.says; if (m.html) put(m.html); });
    source.addEventListener("full", function (e) { over = true; stop(); says.textContent = JSON.parse(e.data).says; });
    source.addEventListener("over", function () { over = true; stop(); location.reload(); });
    source.onerror = function () {
      says.textContent = says.dataset.lost;
      if (source && source.readyState === EventSource.CLOSED) { stop(); setTimeout(start, 5000); }
    };
  }

  pause.addEventListener("click", function () {
    paused = !paused;
    pause.setAttribute("aria-pressed", String(paused));
    if (paused) { stop(); says.textContent = says.dataset.paused; } else start();
  });
  document.addEventListener("visibilitychange", function () { if (document.hidden) stop(); else start(); });
  window.addEventListener("pagehide", stop);
  window.addEventListener("pageshow", start);
  start();
})();
