"""Take the picture of the README from a running demo: the case at the night checkpoint.

python -m tests.docs.picture SIGN_IN_LINK

The link is the one that ``make demo`` shows; it works once.
"""

import shutil
import sys
from urllib.parse import urlsplit

from playwright.sync_api import Page, sync_playwright

from tests.docs.documents import ROOT

PICTURE = ROOT / "docs" / "console.png"
SIZE = {"width": 1280, "height": 900}
PATIENCE_MS = 180_000
"""For the history, and the evening until eight."""


def main(link: str) -> None:
    """Sign in, wait for the case and its pages, and take the picture."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        page = browser.new_context(viewport=SIZE, locale="en-GB").new_page()  # type: ignore[arg-type]
        page.goto(link)
        page.click("main button")
        parts = urlsplit(link)
        _open_case(page, f"{parts.scheme}://{parts.netloc}/?kind=fever_at_checkpoint")
        page.screenshot(path=PICTURE)
        browser.close()
    sys.stdout.write(f"{PICTURE}\n")


def _open_case(page: Page, address: str) -> None:
    """Open the case once everybody of the first step has been paged."""
    page.goto(address)
    card = page.locator("a[href^='/incidents/']").first
    card.wait_for(timeout=PATIENCE_MS)
    card.click()
    page.get_by_text("Page sent", exact=True).nth(4).wait_for(timeout=PATIENCE_MS)


if __name__ == "__main__":
    main(sys.argv[1])
