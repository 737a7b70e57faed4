// Tells the page's parts that something changed; each part then fetches itself again (htmx).
// The extension that comes with the htmx package is made for htmx 1, so this listens itself.
(function () {
  "use strict";
  var RETRY_MS = 5000;
  var body = document.body;
  var seen = body.dataset.mark;

  function announce(event) {
    seen = event.lastEventId;
    JSON.parse(event.data).forEach(function (what) {
      htmx.trigger(body, "changed-" + what);
    });
  }

  function connect() {
    var source = new EventSource("/events?since=" + encodeURIComponent(seen));
    source.addEventListener("changed", announce);
    source.onopen = function () {
      body.classList.remove("is-offline");
    };
    source.onerror = function () {
      body.classList.add("is-offline");
      if (source.readyState === EventSource.CLOSED) {
        window.setTimeout(connect, RETRY_MS);
      }
    };
    window.addEventListener("pagehide", function () {
      source.close();
    });
  }

  connect();
})();
