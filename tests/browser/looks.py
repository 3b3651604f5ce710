"""What every page has to be: accessible, and no wider than the screen."""

from __future__ import annotations

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

SERIOUS = ("serious", "critical")
WAYS = ((1280, "light"), (1280, "dark"), (390, "light"), (390, "dark"))


def looks_right(page: Page) -> list[str]:
    """What is wrong with the page in light and dark, wide and on a phone."""
    wrong: list[str] = []
    for width, scheme in WAYS:
        page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        page.set_viewport_size({"width": width, "height": 900})
        where = f"{page.url} at {width} px, {scheme}"
        for violation in Axe().run(page).response["violations"]:
            if violation["impact"] in SERIOUS:
                places = [node["target"] for node in violation["nodes"][:3]]
                wrong.append(f"{where}: {violation['id']}: {violation['help']} {places}")
        beyond = page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        if beyond > 0:
            wrong.append(f"{where}: {beyond} px wider than the screen")
    page.emulate_media(color_scheme="light")
    page.set_viewport_size({"width": 1280, "height": 900})
    return wrong
