"""A client of ChromeDriver, for tests of the page in a real browser."""

import base64
import json
import re
import shutil
import subprocess
import tempfile
import urllib.request

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)


def find():
    """Returns the paths of Chromium and ChromeDriver; None if missing."""
    names = ("chromium", "chromium-browser", "google-chrome")
    found = next(filter(None, map(shutil.which, names)), None)
    return found, shutil.which("chromedriver")


class Browser:
    """A window of a headless Chromium. Close it, or use it in `with`."""

    def __init__(self):
        chromium, driver = find()
        self._folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self._driver = subprocess.Popen(
            [driver, "--port=0"], stdout=subprocess.PIPE, text=True
        )
        port = next(
            match[1]
            for line in self._driver.stdout
            if (match := re.search(r"started successfully on port (\d+)", line))
        )
        self._url = f"http://127.0.0.1:{port}/session"
        profile = f"--user-data-dir={self._folder.name}"
        options = {"binary": chromium, "args": [*FLAGS, profile]}
        always = {
            "goog:chromeOptions": options,
            "goog:loggingPrefs": {"browser": "ALL"},
        }
        session = self._post("", capabilities={"alwaysMatch": always})
        self._url += "/" + session["sessionId"]

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._request(urllib.request.Request(self._url, method="DELETE"))
        self._driver.terminate()
        self._driver.wait(10)
        self._driver.stdout.close()
        self._folder.cleanup()

    def open(self, path, width=1280, height=900, scheme="light"):
        """Opens a file in a window of given size and colour scheme."""
        self._chrome(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self._chrome("Emulation.setEmulatedMedia", features=features)
        self._post("/url", url=path.as_uri())

    def run(self, script, *arguments):
        """Returns the result of a function body in the page."""
        return self._post("/execute/sync", script=script, args=arguments)

    def wait(self, script, *arguments):
        """Waits up to 10 seconds until a function body returns a true value."""
        body = """
            const done = arguments[arguments.length - 1];
            const given = [...arguments].slice(0, -1);
            const test = new Function(given.shift());
            const end = Date.now() + 10000;
            (function ask() {
              const found = test(...given);
              if (found || Date.now() > end) done(found || null);
              else setTimeout(ask, 20);
            })();"""
        return self._post(
            "/execute/async", script=body, args=[script, *arguments]
        )

    def mouse(self, *steps):
        """Performs steps: ("move", x, y), ("down",), ("up",)."""
        kinds = {
            "move": "pointerMove",
            "down": "pointerDown",
            "up": "pointerUp",
        }
        actions = []
        for kind, *at in steps:
            step = {"type": kinds[kind], "button": 0}
            if at:
                step = {"type": kinds[kind], "x": int(at[0]), "y": int(at[1])}
                step["duration"] = 30
            actions.append(step)
        pointer = {"type": "pointer", "id": "mouse", "actions": actions}
        self._post("/actions", actions=[pointer])

    def keys(self, text):
        """Types into the element that has the focus."""
        actions = [
            {"type": kind, "value": letter}
            for letter in text
            for kind in ("keyDown", "keyUp")
        ]
        self._post(
            "/actions", actions=[{"type": "key", "id": "k", "actions": actions}]
        )

    def errors(self):
        """Returns the console's messages since the last call."""
        return [
            entry["message"] for entry in self._post("/se/log", type="browser")
        ]

    def screenshot(self, path, whole=False):
        """Writes a PNG of the window, or of the whole page."""
        shot = self._chrome(
            "Page.captureScreenshot", captureBeyondViewport=whole
        )
        path.write_bytes(base64.b64decode(shot["data"]))

    def _chrome(self, command, **parameters):
        return self._post("/goog/cdp/execute", cmd=command, params=parameters)

    def _post(self, path, **body):
        return self._request(
            urllib.request.Request(
                self._url + path,
                json.dumps(body).encode(),
                {"Content-Type": "application/json"},
            )
        )

    def _request(self, request):
        # Without the environment's proxy.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=60) as answer:
            return json.loads(answer.read())["value"]
