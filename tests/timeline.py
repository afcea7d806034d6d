#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Opens pages of mini-pipe timeline in headless Chromium, steps from event to event, and zooms.

python3 tests/timeline.py COMMAND    COMMAND is the path of mini-pipe

Needs the packages chromium-driver and python3-selenium. The pages are made from the traces that the
unit tests use.
"""

import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.actions.wheel_input import ScrollOrigin
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

COMMAND = sys.argv.pop(1)
TRACES = sorted(Path("cli/src/timeline/recorded").glob("*.trace"))


def start_browser():
    options = webdriver.ChromeOptions()
    # Chromium's sandbox does not work for root, and /dev/shm may be small.
    for argument in ("headless", "no-sandbox", "disable-dev-shm-usage", "window-size=1000,700"):
        options.add_argument(f"--{argument}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    return webdriver.Chrome(options, webdriver.ChromeService("/usr/bin/chromedriver"))


class Page(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        cls.browser = start_browser()
        cls.folder = tempfile.TemporaryDirectory()
        cls.pages = {}
        for trace in TRACES:
            page = Path(cls.folder.name, trace.stem + ".html")
            made = [COMMAND, "timeline", "--trace", trace, "-o", page]
            subprocess.run(made, check=True, stderr=subprocess.DEVNULL)
            cls.pages[trace.stem] = page

    @classmethod
    def tearDownClass(cls):
        cls.browser.quit()
        cls.folder.cleanup()

    def setUp(self):
        self.open("lost-wake-up")

    def tearDown(self):
        self.assertEqual(self.browser.get_log("browser"), [])

    def open(self, name):
        self.browser.get(self.pages[name].as_uri())
        self.events = self.all(".event")
        self.assertGreater(len(self.events), 5)

    def all(self, selector):
        return self.browser.find_elements(By.CSS_SELECTOR, selector)

    def run_script(self, script, *arguments):
        return self.browser.execute_script(f"return {script}", *arguments)

    def press(self, *keys):
        ActionChains(self.browser).send_keys(*keys).perform()

    def call(self):
        return self.browser.find_element(By.ID, "call").text

    def chosen(self):
        """The number of the chosen event. Its own title and the page say the same."""
        (event,) = self.all(".event.chosen")
        title = self.run_script("arguments[0].querySelector('title').textContent", event)
        self.assertEqual(self.call(), title)
        return int(title.split(".")[0])

    def is_in_sight(self, element):
        return self.run_script(
            """(() => {
                const [seen, view] = [arguments[0], document.getElementById("view")]
                    .map(element => element.getBoundingClientRect());
                return seen.left >= view.left && seen.right <= view.right;
            })()""",
            element,
        )

    def width(self, element):
        return element.rect["width"]

    def test_keys_step_through_all_events(self):
        for name in self.pages:
            with self.subTest(name):
                self.open(name)
                for number in range(1, len(self.events) + 1):
                    self.press(Keys.ARROW_RIGHT)
                    self.assertEqual(self.chosen(), number)
                self.press(Keys.ARROW_RIGHT)
                self.assertEqual(self.chosen(), len(self.events))
                self.press(Keys.ARROW_LEFT)
                self.assertEqual(self.chosen(), len(self.events) - 1)
                self.press(Keys.HOME)
                self.assertEqual(self.chosen(), 1)
                self.press(Keys.END)
                self.assertEqual(self.chosen(), len(self.events))

    def test_buttons_step_and_zoom(self):
        buttons = {button.get_attribute("data-action"): button for button in self.all("button")}
        buttons["next"].click()
        buttons["next"].click()
        self.assertEqual(self.chosen(), 2)
        buttons["previous"].click()
        self.assertEqual(self.chosen(), 1)
        (picture,) = self.all("svg")
        before = self.width(picture)
        buttons["nearer"].click()
        self.assertGreater(self.width(picture), before)
        buttons["fit"].click()
        # Without the scroll bars.
        (view,) = self.all("#view")
        self.assertAlmostEqual(self.width(picture), view.get_property("clientWidth"), delta=3)

    def test_a_click_chooses_an_event(self):
        self.events[2].find_element(By.TAG_NAME, "circle").click()
        self.assertEqual(self.chosen(), 3)

    def test_chosen_events_come_into_sight(self):
        self.press(*["+"] * 12)
        for _ in self.events:
            self.press(Keys.ARROW_RIGHT)
            self.assertTrue(self.is_in_sight(self.all(".event.chosen")[0]), self.call())
        self.assertTrue(self.is_in_sight(self.all(".names")[0]))

    def test_zoom_stretches_time_and_nothing_else(self):
        (text,) = self.events[0].find_elements(By.TAG_NAME, "text")
        (bar,) = self.all(".overslept")[:1]
        widths = self.width(text), self.width(bar)
        self.press("+", "+")
        self.assertAlmostEqual(self.width(text), widths[0], delta=1)
        self.assertAlmostEqual(self.width(bar), widths[1] * 1.25**2, delta=3)
        self.press("-", "-")
        self.assertAlmostEqual(self.width(bar), widths[1], delta=3)

    def test_wheel_zooms_around_the_pointer(self):
        event = self.events[4].find_element(By.TAG_NAME, "circle")
        (picture,) = self.all("svg")
        width, left = self.width(picture), event.rect["x"]
        origin = ScrollOrigin.from_element(event)
        ActionChains(self.browser).scroll_from_origin(origin, 0, -400).perform()
        self.assertGreater(self.width(picture), width)
        self.assertAlmostEqual(event.rect["x"], left, delta=2)

    def test_hover_tells_what_a_bar_is(self):
        ActionChains(self.browser).move_to_element(self.all(".bar.overslept")[0]).perform()
        self.assertIn("asleep, though the pipe has bytes", self.call())
        event = self.events[0].find_element(By.TAG_NAME, "circle")
        ActionChains(self.browser).move_to_element(event).perform()
        self.assertTrue(self.call().startswith("1. "), self.call())

    def test_page_loads_no_other_file(self):
        entries = "performance.getEntriesByType('resource').map(entry => entry.name)"
        self.assertEqual(self.run_script(entries), [])

    def test_page_is_dark_if_that_is_preferred(self):
        colour = "getComputedStyle(document.body).backgroundColor"
        seen = []
        for scheme in ("light", "dark"):
            features = [{"name": "prefers-color-scheme", "value": scheme}]
            self.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
            seen.append(self.run_script(colour))
        self.assertEqual(seen, ["rgb(255, 255, 255)", "rgb(13, 17, 23)"])

    def test_picture_is_there_without_scripts(self):
        self.browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
        self.addCleanup(
            self.browser.execute_cdp_cmd, "Emulation.setScriptExecutionDisabled", {"value": False}
        )
        self.open("pipeline")
        self.assertFalse(self.browser.find_element(By.ID, "controls").is_displayed())
        for event in self.events:
            self.assertTrue(event.find_element(By.TAG_NAME, "circle").is_displayed())
            self.assertGreater(len(event.find_element(By.TAG_NAME, "text").text), 2)


if __name__ == "__main__":
    unittest.main()
