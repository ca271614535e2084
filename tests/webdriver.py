"""Pages in any of Debian's browsers, by the commands of WebDriver (https://www.w3.org/TR/webdriver2/).

Chromium and WebKitGTK get them by HTTP, through their drivers. Debian has none for Firefox, which so gets them as its
driver would send them: by Marionette, a TCP connection with JSON on it.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from glob import glob
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import httpx

_PATIENCE = 30.0  # seconds
_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
# Of each command, which is a POST: its path below the session's, and its name in Marionette.
_COMMANDS = {
    "open": ("/url", "WebDriver:Navigate"),
    "run": ("/execute/sync", "WebDriver:ExecuteScript"),
    "find": ("/elements", "WebDriver:FindElements"),
    "click": ("/element/{id}/click", "WebDriver:ElementClick"),
    "clear": ("/element/{id}/clear", "WebDriver:ElementClear"),
    "type": ("/element/{id}/value", "WebDriver:ElementSendKeys"),
    "frame": ("/frame", "WebDriver:SwitchToFrame"),
    "window": ("/window/rect", "WebDriver:SetWindowRect"),
}


class Carrier(Protocol):
    def carry(self, command: str, given: dict[str, Any]) -> Any: ...


class Http:
    def __init__(self, url: str, capabilities: dict[str, Any]) -> None:
        self._http = httpx.Client(timeout=90)
        asked = {"capabilities": {"alwaysMatch": capabilities}}
        self._session = f"{url}/session/{self._value(self._http.post(f'{url}/session', json=asked))['sessionId']}"

    def carry(self, command: str, given: dict[str, Any]) -> Any:
        path, _ = _COMMANDS[command]
        in_path = {"id": given.pop("id")} if "{id}" in path else {}
        return self._value(self._http.post(self._session + path.format(**in_path), json=given))

    def log(self, kind: str) -> Any:
        return self._value(self._http.post(f"{self._session}/se/log", json={"type": kind}))

    def close(self) -> None:
        self._http.delete(self._session)
        self._http.close()

    def _value(self, answer: httpx.Response) -> Any:
        assert answer.is_success, answer.text
        return answer.json()["value"]


class Marionette:
    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=90)
        self._file, self._number = self._socket.makefile("rb"), 0
        self._answer()  # it tells first who it is
        self.ask("WebDriver:NewSession", {})

    def carry(self, command: str, given: dict[str, Any]) -> Any:
        answer = self.ask(_COMMANDS[command][1], given)
        return answer["value"] if isinstance(answer, dict) and "value" in answer else answer

    def ask(self, name: str, given: dict[str, Any]) -> Any:
        self._number += 1
        message = json.dumps([0, self._number, name, given]).encode()
        self._socket.sendall(b"%d:" % len(message) + message)
        _, _, error, result = self._answer()
        assert error is None, error
        return result

    def close(self) -> None:
        self._file.close()
        self._socket.close()

    def _answer(self) -> Any:
        digits = b""
        while (digit := self._file.read(1)) != b":":
            assert digit, "the browser has ended"
            digits += digit
        return json.loads(self._file.read(int(digits)))


class Page:
    """Elements are found by selectors of CSS, or by the text of what is a link, a button or a summary: `text=…`.

    `told` is what the browser says itself that was wrong since it was asked last: errors in scripts, and what the
    page's policy forbade. WebKitGTK tells its driver nothing.
    """

    def __init__(self, carrier: Carrier, told: Callable[[], list[str]], origin: str) -> None:
        self._carrier, self._origin = carrier, origin
        self.told = told

    def ask(self, command: str, **given: Any) -> Any:
        return self._carrier.carry(command, given)

    def open(self, path: str) -> None:
        self.ask("open", url=self._origin + path)

    def run(self, script: str, *arguments: Any) -> Any:
        return self.ask("run", script=f"return ({script})", args=list(arguments))

    def find(self, what: str) -> list[str]:
        """Their ids."""
        using, value = "css selector", what
        if what.startswith("text="):
            text = json.dumps(what.removeprefix("text="))
            using, value = "xpath", f"//*[self::a or self::button or self::summary][normalize-space()={text}]"
        found = self.ask("find", using=using, value=value)
        return [one[_ELEMENT] for one in found]

    def first(self, what: str) -> str:
        self.until(lambda: self.find(what), what)
        return self.find(what)[0]

    def click(self, what: str) -> None:
        self.ask("click", id=self.first(what))

    def fill(self, what: str, text: str) -> None:
        found = self.first(what)
        if self.run("arguments[0].type", {_ELEMENT: found}) != "file":
            self.ask("clear", id=found)
        self.ask("type", id=found, text=text)

    def text(self, what: str = "main") -> str:
        return str(self.run("document.querySelector(arguments[0])?.innerText ?? ''", what))

    def sees(self, words: str, within: str = "main") -> None:
        self.until(lambda: words in self.text(within), words)

    def until(self, true: Callable[[], Any], what: str = "") -> None:
        ends_at = time.monotonic() + _PATIENCE
        while True:
            with suppress(AssertionError):  # it is on its way to another page
                if true():
                    return
            assert time.monotonic() < ends_at, (what, self.run("location.href"), self.text("body"), self.told())
            time.sleep(0.05)

    @contextmanager
    def frame(self) -> Iterator[None]:
        """What is asked within is asked of the page's only frame."""
        self.ask("frame", id={_ELEMENT: self.first("iframe")})
        try:
            yield
        finally:
            self.ask("frame", id=None)


class Engine(NamedTuple):
    """`needs` are its programs."""

    needs: tuple[str, ...]
    start: Callable[[ExitStack, Path, str, str], Page]


def _begin(stack: ExitStack, command: list[str], output: Path, **variables: str) -> subprocess.Popen[bytes]:
    """Until the stack ends; with all that it has started, which a driver that is killed leaves behind."""
    with output.open("wb") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=subprocess.STDOUT, env=os.environ | variables, start_new_session=True
        )

    def end() -> None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, 9)
        process.wait()

    stack.callback(end)
    return process


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def _await_port(port: int) -> None:
    ends_at = time.monotonic() + _PATIENCE
    while True:
        with suppress(OSError):
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        assert time.monotonic() < ends_at, "it doesn't listen"
        time.sleep(0.05)


def _firefox(stack: ExitStack, folder: Path, origin: str, language: str) -> Page:
    port, profile = _free_port(), folder / "profile"
    profile.mkdir()
    preferences = {"marionette.port": port, "intl.accept_languages": language, "ui.systemUsesDarkTheme": 0}
    preferences |= {"app.update.disabledForTesting": True, "datareporting.policy.dataSubmissionEnabled": False}
    preferences |= {"network.captive-portal-service.enabled": False, "browser.shell.checkDefaultBrowser": False}
    lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in preferences.items()]
    (profile / "user.js").write_text("".join(lines))
    command = ["firefox-esr", "--headless", "--marionette", "--remote-allow-system-access", "--no-remote"]
    _begin(
        stack, [*command, "--profile", str(profile)], folder / "log", HOME=str(folder), MOZ_CRASHREPORTER_DISABLE="1"
    )
    _await_port(port)
    carrier = Marionette(port)
    stack.callback(carrier.close)

    def told() -> list[str]:
        """Of the pages; Firefox's own scripts say much there, too."""
        carrier.ask("Marionette:SetContext", {"value": "chrome"})
        script = """const said = Services.console.getMessageArray()
            .filter(one => one instanceof Ci.nsIScriptError && one.sourceName.startsWith(arguments[0]))
            .map(one => one.toString());
            Services.console.reset();
            return said"""
        found = carrier.carry("run", {"script": script, "args": [origin]})
        carrier.ask("Marionette:SetContext", {"value": "content"})
        return list(found)

    return Page(carrier, told, origin)


def _webkit(stack: ExitStack, folder: Path, origin: str, language: str) -> Page:
    """It has no mode without a screen, so it gets one that nobody sees. What pages say goes to its output."""
    screen, shown = os.pipe()
    with (folder / "screen").open("wb") as log:
        xvfb = subprocess.Popen(
            ["Xvfb", "-displayfd", str(shown), "-screen", "0", "1400x1000x24", "-nolisten", "tcp"],
            pass_fds=[shown],
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    os.close(shown)
    stack.callback(xvfb.wait)
    stack.callback(xvfb.kill)
    with os.fdopen(screen) as told_there:
        display = f":{told_there.readline().strip()}"
    locale = f"{language.replace('-', '_')}.UTF-8"  # of which it takes what it says that it wants
    subprocess.run(["localedef", "-i", locale.partition(".")[0], "-f", "UTF-8", folder / locale], check=True)
    variables = {"DISPLAY": display, "HOME": str(folder), "LOCPATH": str(folder), "LC_ALL": locale}
    variables |= {"XDG_RUNTIME_DIR": str(folder), "NO_AT_BRIDGE": "1", "GTK_THEME": "Adwaita"}
    variables |= {"WEBKIT_DISABLE_DMABUF_RENDERER": "1"}
    port = _free_port()
    _begin(stack, ["WebKitWebDriver", f"--port={port}"], folder / "log", **variables)
    _await_port(port)
    mini = {"binary": _mini_browser(), "args": ["--automation"]}
    carrier = Http(f"http://127.0.0.1:{port}", {"webkitgtk:browserOptions": mini})
    stack.callback(carrier.close)
    return Page(carrier, list, origin)


def _mini_browser() -> str:
    """Debian keeps it beside WebKitGTK's other programs, and not where commands are."""
    return next(iter(sorted(glob("/usr/lib/*/webkit2gtk-4.1/MiniBrowser"))), "")


def _chromium(stack: ExitStack, folder: Path, origin: str, language: str) -> Page:
    port = _free_port()
    _begin(stack, ["chromedriver", f"--port={port}"], folder / "log", HOME=str(folder))
    _await_port(port)
    arguments = ["--headless", "--no-sandbox", "--disable-gpu", f"--accept-lang={language}"]
    options = {"binary": shutil.which("chromium"), "args": [*arguments, f"--user-data-dir={folder / 'profile'}"]}
    capabilities = {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
    carrier = Http(f"http://127.0.0.1:{port}", capabilities)
    stack.callback(carrier.close)

    def told() -> list[str]:
        return [one["message"] for one in carrier.log("browser") if one["level"] in ("SEVERE", "WARNING")]

    return Page(carrier, told, origin)


ENGINES = {
    "firefox": Engine(("firefox-esr",), _firefox),
    "webkitgtk": Engine(("WebKitWebDriver", "Xvfb"), _webkit),
    "chromium": Engine(("chromium", "chromedriver"), _chromium),
}


def missing(engine: str) -> list[str]:
    """The programs that aren't there."""
    return [program for program in ENGINES[engine].needs if shutil.which(program) is None]


@contextmanager
def page_in(engine: str, folder: Path, origin: str, language: str = "en-GB") -> Iterator[Page]:
    """The folder is its profile's, and has its log."""
    with ExitStack() as stack:
        yield ENGINES[engine].start(stack, folder, origin, language)
