"""Pages in a real browser, as a reader opens them: from a file, without a network."""

import os
import shutil
from pathlib import Path

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
BROWSER = next(filter(None, map(shutil.which, BROWSERS)), None)
WIDE, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
SCREENSHOTS = os.environ.get("ERF_SCREENSHOTS")  # a folder to look at what the tests see


def opened(browser, path: Path, viewport=WIDE, scheme="light", scripts=True):
    """Return a page whose ``said`` collects every console message, error and request beyond the file."""
    page = browser.new_page(viewport=viewport, color_scheme=scheme, java_script_enabled=scripts)
    page.said = []
    page.on("console", lambda message: page.said.append(message.text))
    page.on("pageerror", lambda error: page.said.append(str(error)))
    page.on("request", lambda asked: asked.url.startswith(("file:", "data:")) or page.said.append(asked.url))
    page.goto(path.as_uri())
    return page


def screenshot(page, name: str) -> None:
    """Keep what the page looks like, if a folder is given."""
    if SCREENSHOTS:
        page.screenshot(path=Path(SCREENSHOTS, f"{name}.png"), full_page=True)
