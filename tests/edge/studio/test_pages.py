"""Each page, drawn by Streamlit without a browser (`make test-studio`)."""

from __future__ import annotations

import contextlib
import json
import sqlite3

import pytest

pytest.importorskip("streamlit", reason="needs the extra [studio]: make test-studio")

from streamlit.testing.v1 import AppTest

from edge.studio.opened import Opened, use
from edge.studio.parts import BUNDLED
from edge.studio.server import Place, options
from tests.edge.studio.conftest import arguments
from tests.edge.studio.test_evaluation import report

PAGES = ("try_voice", "people", "household", "trade_off", "models")
SECONDS = 120


@pytest.fixture
def opened(session, bundle, state) -> Opened:
    found = Opened(session, arguments(bundle, state))
    use(found)
    return found


def look(name: str, **state: object):
    """A page after its first run."""

    def script(name: str) -> None:
        import importlib

        from edge.studio.opened import current
        from edge.studio.parts import told

        told(importlib.import_module(f"edge.studio.pages.{name}").page, current())()

    page = AppTest.from_function(script, args=(name,), default_timeout=SECONDS)
    for key, value in state.items():
        page.session_state[key.replace("_", "-")] = value
    page.run()
    assert not page.exception, page.exception
    return page


def texts(page) -> str:
    kinds = (page.title, page.subheader, page.markdown, page.caption, page.info, page.error, page.success, page.warning)
    return "\n".join(element.value for kind in kinds for element in kind)


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("empty", [False, True], ids=["household", "nobody"])
def test_every_page_draws_itself_and_says_what_to_do_next(opened, name, empty):
    if empty:
        for person in opened.session.store.people():
            opened.session.store.remove(person.id)
    page = look(name)
    assert len(page.title) == 1 and not page.error
    if empty and name in {"try_voice", "people", "household"}:
        assert any("Nobody is enrolled yet" in info.value for info in page.info)
    elif name == "people":
        assert "Ada" in texts(page) and "Ben" in texts(page)


def test_a_bundled_clip_is_named_and_a_stranger_is_not(opened):
    told = texts(look("try_voice", try_way=BUNDLED, try_bundled="clip 1 ada"))
    assert "Ada" in told and "passes the threshold" in told
    told = texts(look("try_voice", try_way=BUNDLED, try_bundled="clip 5 stranger"))
    assert "Unknown voice" in told and "passes the threshold" not in told


def test_somebody_is_enrolled_with_consent_and_clips_and_not_before_it_is_asked_for(opened):
    store = opened.session.store
    store.remove("Ada")
    page = look("people")
    page.text_input[0].set_value("Ada")
    page.button[-1].click().run()
    assert "only with their consent" in texts(page)
    page.text_input[0].set_value("Ada")
    page.checkbox[0].check()
    page.button[-1].click().run()
    assert not page.exception and "At least two clips" in page.get("progress")[0].proto.text
    page.session_state["enrol-0-way"] = BUNDLED
    page.session_state["enrol-0-bundled"] = [f"ada enrol {number}" for number in range(1, 6)]
    page.run()
    assert not page.exception, page.exception
    enrol = next(button for button in page.button if button.label == "Enrol Ada")
    assert not enrol.disabled and [person.name for person in store.people()] == ["Ben"]
    enrol.click().run()
    assert "Ada is enrolled" in texts(page)
    assert store.consent("Ada")


def test_an_error_of_the_database_is_a_sentence_on_the_page(opened):
    with contextlib.closing(sqlite3.connect(opened.session.store.path)) as file, file:
        file.execute("UPDATE vault SET key = 'another'")
    for name in ("try_voice", "people", "household"):
        assert len(look(name).error) == 1


def test_a_report_is_read_and_its_rates_are_shown(opened):
    def script(data: str) -> None:
        from edge.studio.evaluation import read
        from edge.studio.pages.trade_off import _look

        _look(read(data.encode())[0])

    page = AppTest.from_function(script, args=(report().decode(),), default_timeout=SECONDS).run()
    assert not page.exception, page.exception
    assert [metric.value for metric in page.metric] == ["0.10%", "30.00%", "5.50%"], "at the profile balanced"
    page.select_slider[0].set_value(0).run()
    assert [metric.value for metric in page.metric][:2] == ["0.00%", "60.00%"]


def test_streamlit_knows_every_option_and_refuses_other_sites_without_asking_anybody(monkeypatch):
    from streamlit import config, net_util
    from streamlit.web.server import server_util

    known = config.get_config_options()
    asked = {name.replace("_", "."): value for name, value in options(Place("127.0.0.1", 8501)).items()}
    assert not asked.keys() - known.keys()
    assert json.dumps(asked)

    def never(*_: object, **__: object) -> None:
        raise AssertionError("nobody on the internet is asked")

    from edge.studio.server import keep_to_ourselves

    monkeypatch.setattr(net_util, "get_external_ip", net_util.get_external_ip)
    monkeypatch.setattr(net_util, "_make_blocking_http_get", never)
    keep_to_ourselves()
    assert not server_util.is_url_from_allowed_origins("http://evil.example:8501")
