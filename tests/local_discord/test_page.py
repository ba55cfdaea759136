"""A person plays in the browser page: real Chromium, the local service, a small bot on real discord.py."""

import functools
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from page_stage import Stage

from local_discord import LocalDiscord, messages
from local_discord import local as service_routes
from local_discord.feed import PATIENCE_SECONDS
from local_discord.model import User
from local_discord.threads import add_to_thread, change_thread, open_thread

pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
from selenium.common.exceptions import (
    ElementClickInterceptedException,
    NoSuchElementException,
    StaleElementReferenceException,
)
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys


class Browser:
    """A Chromium with the page, and helpers for tests."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def wait(self, look: Callable[[], Any], seconds: float = PATIENCE_SECONDS) -> Any:
        """The first true value of `look`; the page may redraw while it looks."""
        end = time.monotonic() + seconds
        while True:
            try:
                if value := look():
                    return value
            except (StaleElementReferenceException, NoSuchElementException):
                value = None
            assert time.monotonic() < end, (
                f"not seen within {seconds} s; the page shows:\n{self.text('body')}"
            )
            time.sleep(0.03)

    def all(self, css: str) -> list[Any]:
        return self.driver.find_elements("css selector", css)

    def one(self, css: str, text: str = "") -> Any:
        """The last visible element that fits, waited for."""
        fits = lambda: [e for e in self.all(css) if e.is_displayed() and text in e.text]  # noqa: E731
        return self.wait(fits)[-1]

    def text(self, css: str) -> str:
        return self.driver.find_element("css selector", css).text

    def click(self, css: str, text: str = "") -> None:
        def press() -> bool:
            try:
                self.one(css, text).click()
            except ElementClickInterceptedException:
                return False
            return True

        self.wait(press)

    def keys(self, *keys: str) -> None:
        """Types where the focus is."""
        self.driver.switch_to.active_element.send_keys(*keys)

    def say(self, text: str) -> None:
        self.one("#input").send_keys(text, Keys.ENTER)

    def sign_in(self, address: str, name: str, moderator: bool = False) -> None:
        self.open(address)
        self.one("#name").send_keys(name)
        if moderator:
            self.click("#moderator")
        self.click(".card .button")
        self.look_at_play()

    def come_back(self, address: str, name: str, token: str) -> None:
        """As somebody who has signed in before, which is quicker."""
        self.open(address, {"token": token, "name": name, "moderator": False})
        self.look_at_play()

    def open(self, address: str, session: dict[str, Any] | None = None) -> None:
        """Open the page with nothing but `session` remembered."""
        self.driver.get(f"{address}/nothing-here")  # of the same origin
        self.driver.execute_script(
            "localStorage.clear(); localStorage.setItem('local-discord.session', arguments[0])",
            json.dumps(session),
        )
        self.driver.get(address)

    def look_at_play(self) -> None:
        self.one("#input")
        self.click(".channel", "play")
        self.one("#heading h2", "play")


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    stage = Stage()
    yield stage
    stage.close()


@pytest.fixture
def browser(chromium: Any, stage: Stage) -> Browser:
    browser = Browser(chromium)
    browser.come_back(stage.service.base_url, "Robin", stage.sign_in("Robin"))
    return browser


def start_game(browser: Browser) -> None:
    browser.one("#input").send_keys("/pl")
    browser.one(".suggestion[aria-selected=true]", "/play")
    browser.keys(Keys.ENTER)
    browser.one(".command-pill", "/play")
    browser.keys(Keys.ENTER)
    browser.one("#heading h2", "A new game")
    browser.one(".message .button", "Right")


def test_a_command_picked_from_the_list_leads_into_the_new_thread(browser: Browser):
    start_game(browser)
    assert browser.one(".channel.current").text == "A new game"
    assert "@Robin" in browser.one(".message.calls-me").text
    picture = browser.one(".message .picture img")
    assert picture.get_attribute("alt") == "A white board"
    browser.say("the one like a hat")
    answer = browser.one(".message", "You said: the one like a hat")
    assert "Robin" in answer.find_element("css selector", ".reply").text


def test_a_button_changes_its_message_without_moving_the_page(browser: Browser):
    start_game(browser)
    height = browser.one(".picture").rect["height"]
    assert height > 200
    browser.click(".button.success", "Right")
    browser.one(".message", "Thank you!")
    browser.wait(lambda: not browser.one(".button.success").is_enabled())
    assert browser.one(".picture img").get_attribute("alt") == "A green board"
    assert browser.one(".picture").rect["height"] == pytest.approx(height, abs=1)
    assert browser.one(".picture").find_element("xpath", "ancestor::li").text.count("BOT") == 1


def test_a_bot_that_does_not_answer_a_press_is_reported_below_the_message(
    browser: Browser, stage: Stage, monkeypatch: pytest.MonkeyPatch
):
    start_game(browser)
    monkeypatch.setattr(stage.service.interactions, "response_window", 1.0)
    browser.click(".button.danger", "Silent")
    browser.one(".button.busy")
    assert "did not respond" in browser.one(".failure").text
    assert not browser.all(".button.busy")


def test_a_form_is_checked_before_it_is_sent(browser: Browser):
    browser.say("/feedback")
    browser.keys(Keys.ENTER)
    browser.one("dialog.modal h2", "Tell us more")
    browser.click(".modal .button.primary")
    browser.one(".modal .error", "fill this in")
    browser.keys("no")
    browser.click(".modal .button.primary")
    browser.one(".modal .error", "at least 5")
    browser.keys("w, it took the swan")
    browser.click(".modal .button.primary")
    answer = browser.one(".message.ephemeral", "Noted: now, it took the swan")
    assert "Only you can see this" in answer.text
    browser.keys("the caret is back in the composer")
    assert browser.one("#input").get_attribute("value") == "the caret is back in the composer"
    browser.click(".message.ephemeral .link", "Dismiss")
    browser.wait(lambda: not browser.all(".message.ephemeral"))


def test_an_option_is_completed_by_the_bot(browser: Browser):
    browser.say("/figure")
    browser.keys("an")
    browser.wait(lambda: [e.text for e in browser.all(".suggestion strong")] == ["swan", "candle"])
    browser.keys(Keys.ARROW_DOWN, Keys.TAB)
    browser.keys(Keys.ENTER)
    browser.one(".message.ephemeral", "This is the candle.")


def test_only_moderators_are_offered_the_rounds(browser: Browser, stage: Stage):
    browser.one("#input").send_keys("/")
    browser.one(".suggestion", "/play")
    assert not [e for e in browser.all(".suggestion") if "/round" in e.text]
    browser.sign_in(stage.service.base_url, "Morgan", moderator=True)
    browser.one("#input").send_keys("/round start many")
    browser.keys(Keys.ENTER)
    browser.one("#command .error", "whole number")
    browser.keys(Keys.BACKSPACE * 4, "12", Keys.ENTER)
    assert "Morgan" in browser.one(".message", "A round with 12 games.").text


def test_a_message_is_written_edited_answered_and_deleted(browser: Browser):
    browser.say("**bold** <img src=x onerror=alert(1)>")
    said = browser.one(".message:not(.pending)", "<img src=x onerror=alert(1)>")
    assert said.find_element("css selector", "strong").text == "bold"
    browser.keys(Keys.ARROW_UP)
    browser.wait(
        lambda: browser.driver.switch_to.active_element.get_attribute("aria-label") == "Edit the message"
    )
    browser.keys(" and more", Keys.ENTER)
    browser.one(".message .edited")
    said = browser.one(".message", "and more")
    ActionChains(browser.driver).move_to_element(said).perform()
    said.find_element("css selector", "[aria-label=Reply]").click()
    browser.one("#reply-bar", "Robin")
    browser.keys("indeed", Keys.ENTER)
    browser.one(".message:not(.pending) .reply .said", "and more")
    answer = browser.one(".message:not(.pending)", "indeed")
    ActionChains(browser.driver).move_to_element(answer).perform()
    answer.find_element("css selector", "[aria-label=Delete]").click()
    browser.click("dialog .button.danger", "Delete")
    browser.wait(lambda: not [e for e in browser.all(".message") if "indeed" in e.text])


def test_others_are_seen_as_they_write(browser: Browser, stage: Stage):
    ada = stage.join("Ada")
    browser.one(".member", "Ada")
    stage.do(ada.typing, "play")
    browser.one("#typing", "Ada is typing")
    stage.do(ada.say, "play", f"hello <@{robin(stage).id}>")
    browser.one(".message.calls-me", "hello @Robin")
    browser.wait(lambda: not browser.text("#typing"))
    stage.do(ada.say, "general", "over here")
    unread = browser.one(".channel.unread", "general")
    browser.wait(lambda: browser.driver.title.startswith("(1)"))
    unread.click()
    browser.one(".line.new")
    browser.one(".message", "over here")
    browser.wait(lambda: not browser.driver.title.startswith("("))


def test_a_name_typed_in_full_is_a_mention(browser: Browser, stage: Stage):
    browser.say("hey @Tangram-Bot, and @nobody: hello")
    said = browser.one(".message", "and @nobody: hello")
    assert [each.text for each in said.find_elements("css selector", ".mention")] == ["@tangram-bot"]
    bot = stage.service.world.app.user
    (message,) = [each for each in stage.join("Cleo").history("play") if "@nobody" in each.content]
    assert message.content == f"hey <@{bot.id}>, and @nobody: hello" and message.mentions == [bot]


def test_a_lost_connection_is_shown_and_nothing_is_missed(browser: Browser, stage: Stage):
    ada = stage.join("Ada")
    browser.driver.execute_cdp_cmd("Network.enable", {})
    offline = {"offline": True, "latency": 0, "downloadThroughput": 0, "uploadThroughput": 0}
    browser.driver.execute_cdp_cmd("Network.emulateNetworkConditions", offline)
    stage.do(close_sockets, stage.service)
    browser.one("#banner", "connection is lost")
    stage.do(ada.say, "play", "said while you were away")
    online = offline | {"offline": False, "downloadThroughput": -1, "uploadThroughput": -1}
    browser.driver.execute_cdp_cmd("Network.emulateNetworkConditions", online)
    browser.one(".message", "said while you were away")
    browser.wait(lambda: not browser.driver.find_element("id", "banner").is_displayed())


def test_an_archived_thread_is_behind_a_toggle(browser: Browser, stage: Stage):
    start_game(browser)
    thread = browser.driver.current_url.split("#")[1]
    browser.click(".channel", "general")
    stage.do(archive, stage.service, int(thread))
    browser.wait(lambda: not browser.all(f'.channel[data-id="{thread}"]'))
    browser.click(".archive-toggle", "Show archived")
    browser.click(f'.channel[data-id="{thread}"]')
    browser.one("#heading .tag", "Archived")


def test_a_private_thread_and_a_direct_message_appear_when_they_concern_the_reader(
    browser: Browser, stage: Stage
):
    stage.do(invite, stage.service, robin(stage))
    browser.click(".channel.unread", "Only for you")
    browser.one(".message.calls-me", "come in")
    browser.click(".channel.unread", "tangram-bot")
    browser.one(".message", "Here is your data")


def test_another_server_is_joined_from_the_rail(browser: Browser, stage: Stage):
    async def build() -> None:
        world = stage.service.world
        world.add_channel(world.add_guild("Elsewhere Too"), "lobby")

    stage.do(build)
    browser.come_back(stage.service.base_url, "Robin", stage.sign_in("Robin"))
    button = browser.one("#guilds .outside")
    assert (button.get_attribute("aria-label"), button.text) == ("Join Elsewhere Too", "ET")
    button.click()
    browser.one("#guild-name h1", "Elsewhere Too")
    browser.one("#heading h2", "lobby")
    browser.say("anybody here?")
    browser.one(".message", "anybody here?")
    browser.driver.refresh()
    browser.one(".message", "anybody here?")  # it is the one that was looked at last
    browser.click("#guilds button[aria-label='Local Guild']")
    browser.one("#guild-name h1", "Local Guild")
    browser.wait(lambda: {each.text for each in browser.all(".channel")} >= {"play", "general"})


def test_messages_that_come_while_a_channel_is_loading_are_kept(browser: Browser, stage: Stage):
    ada = stage.join("Ada")
    browser.driver.execute_script(
        """
        const fetched = window.fetch;
        window.fetch = async (address, options) => {
          const answer = await fetched(address, options);
          if (!address.includes("/messages?")) return answer;
          window.held = true;
          return new Promise((resolve) => (window.release = () => resolve(answer)));
        };
        """
    )
    browser.click(".channel", "general")
    browser.wait(lambda: browser.driver.execute_script("return window.held"))
    stage.do(ada.say, "general", "in the meantime")
    browser.one(".message", "in the meantime")
    browser.driver.execute_script("window.release()")
    browser.wait(lambda: not browser.all(".skeleton"))
    browser.one(".message", "in the meantime")


def test_a_phone_has_the_channels_in_a_drawer(browser: Browser):
    phone = functools.partial(browser.driver.execute_cdp_cmd, "Emulation.setDeviceMetricsOverride")
    phone({"width": 360, "height": 740, "deviceScaleFactor": 1, "mobile": True})
    try:
        browser.wait(lambda: not browser.driver.find_element("id", "channels").is_displayed())
        browser.click("#open-left")
        browser.click(".channel", "general")
        browser.one("#heading h2", "general")
        browser.wait(lambda: not browser.driver.find_element("id", "channels").is_displayed())
        assert browser.driver.execute_script("return document.documentElement.scrollWidth") <= 360
    finally:
        browser.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_the_page_has_no_errors_of_its_own(browser: Browser):
    browser.driver.get_log("browser")
    start_game(browser)
    browser.say("fine")
    browser.one(".message", "You said: fine")
    assert [entry for entry in browser.driver.get_log("browser") if entry["level"] == "SEVERE"] == []


def robin(stage: Stage) -> User:
    """The account the browser is signed in with: the youngest of that name."""
    return [user for user in stage.service.world.users.values() if user.global_name == "Robin"][-1]


async def close_sockets(service: LocalDiscord) -> None:
    for socket in list(service.app[service_routes.PAGE].sockets):
        await socket.close()


async def invite(service: LocalDiscord, user: User) -> None:
    """A private thread with `user` in it, and a direct message from the bot."""
    world = service.world
    host = (await service.people.join("Host", administrator=True)).user
    thread = open_thread(world, service.channel("play"), host, {"name": "Only for you", "type": 12})
    add_to_thread(world, thread, user)
    messages.create(world, thread, host, {"content": f"<@{user.id}> come in"})
    messages.create(world, world.open_dm(user), world.app.user, {"content": "Here is your data"})


async def archive(service: LocalDiscord, thread_id: int) -> None:
    thread = service.world.channel(thread_id)
    change_thread(service.world, thread, service.world.app.user, {"archived": True})
