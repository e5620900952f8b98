"""The page on which people are listed, enrolled, renamed and removed."""

from __future__ import annotations

from itertools import count
from typing import Final

import streamlit as st

from edge.demo.stage import open_play
from edge.enrolment import ADVISED_SESSIONS, sessions_of
from edge.errors import EarmarkError
from edge.forgetting import forget
from edge.learning import SENTENCES
from edge.records import Person
from edge.studio.learner import Learner, sentence
from edge.studio.opened import Opened
from edge.studio.parts import clips, problem

_NEW: Final = "Somebody new"
_LINES: Final = 7
"""More than these scroll."""


def page(opened: Opened) -> None:
    """Draw it."""
    st.title("People")
    st.markdown("Whose voices are known here. The daemon on this device uses the same list and notices each change.")
    said = st.container()  # a place of its own: what stands below must not move along when something is said
    if done := st.session_state.pop("people-done", None):
        said.success(done, icon=":material/check_circle:")
    people = opened.session.store.people()
    if people:
        outdated = set(opened.session.outdated)
        for person in people:
            _person(opened, person, outdated=person.name in outdated)
    else:
        st.info("Nobody is enrolled yet. Begin below with a name.", icon=":material/arrow_downward:")
    st.subheader("Enrol")
    learner: Learner | None = st.session_state.get("learner")
    if learner is None:
        _begin(opened, people)
    else:
        _collect(learner)


def _person(opened: Opened, person: Person, *, outdated: bool) -> None:
    exemplars = person.exemplars
    sessions = sessions_of([clip.created for clip in exemplars])
    with st.container(border=True, key=f"person-{person.id}"):
        name, figures, buttons = st.columns([2, 4, 3], vertical_alignment="center")
        name.markdown(f"#### {_plain(person.name)}")
        name.caption(f"since {person.created[:10]}")
        seconds = sum(clip.speech_seconds for clip in exemplars)
        told = f"{len(exemplars)} clips, {seconds:.0f} s of speech, {sessions} session{'s' * (sessions != 1)}"
        figures.markdown(told)
        if outdated:
            figures.caption(":material/warning: enrolled with another model: not compared. Add clips to enrol again.")
        elif sessions < ADVISED_SESSIONS:
            figures.caption("A second session, at least ten minutes later, makes it surer.")
        with buttons.container(horizontal=True, horizontal_alignment="right"):
            if st.button("Rename", key=f"rename-{person.id}", icon=":material/edit:"):
                st.dialog("Rename")(_rename)(opened, person)
            if st.button("Remove", key=f"remove-{person.id}", icon=":material/delete:"):
                st.dialog("Remove for good?")(_remove)(opened, person)


def _rename(opened: Opened, person: Person) -> None:
    new = st.text_input("New name", value=person.name)
    if st.button("Rename", type="primary", key="rename-really"):
        try:
            renamed = opened.session.store.rename(person.id, new)
        except EarmarkError as error:
            problem(error)
            return
        _say(f"{person.name} is called {renamed.name} now.")


def _remove(opened: Opened, person: Person) -> None:
    st.markdown(
        f"**{_plain(person.name)}** will be forgotten: voiceprint, fingerprints of the recordings, counted attempts, "
        "and the name at the broker and in Home Assistant. This cannot be undone."
    )
    if not st.button(f"Remove {_plain(person.name)}", type="primary", key="remove-really", icon=":material/delete:"):
        return
    with st.spinner("Forgetting ..."):
        try:
            opened.session.store.remove(person.id)
        except EarmarkError as error:
            problem(error)
            return
        gone = forget(opened.session.settings, opened.session.store.path.parent, person)
    waiting = " The broker will be told as soon as the daemon reaches it." if gone.broker == "waiting" else ""
    _say(" ".join([f"{person.name} is removed.{waiting}", *gone.problems]))


def _begin(opened: Opened, people: tuple[Person, ...]) -> None:
    with st.form("begin", border=True):
        left, right = st.columns(2)
        names = [_NEW, *(person.name for person in people)]
        whom = left.selectbox("Whom", names, help="Clips can be added to somebody who is enrolled.")
        name = right.text_input("Name, of somebody new", max_chars=60, placeholder="Ada")
        agreed = st.checkbox("This person knows and agrees: a voiceprint is personal data.")
        if not st.form_submit_button("Begin", type="primary"):
            return
    if not agreed:
        st.warning("Enrol people only with their consent.")
        return
    person = next((one for one in people if one.name == whom), None)
    try:
        st.session_state["learner"] = Learner(opened.learning, name, person)
    except EarmarkError as error:
        problem(error)
        return
    st.rerun()


def _collect(learner: Learner) -> None:
    round_ = st.session_state.setdefault("learner-round", 0)
    progress = learner.progress
    st.markdown(f"#### {_plain(learner.name)}")
    st.progress(progress.percent, text=sentence(progress))
    left, right = st.columns(2, gap="large")
    with left:
        st.markdown(f"Read aloud, or say anything: *{SENTENCES[len(learner.lines) % len(SENTENCES)]}*")
        given = clips(f"enrol-{round_}", several=True, bundled=[c for actor in open_play().actors for c in actor.clips])
        fresh = [clip for clip in given if clip.ident not in learner.seen]
        for clip, number in zip(fresh, count(1)):
            bar = st.progress(0, text=f"Listening to {clip.name} ({number} of {len(fresh)})")
            microphone = "studio" if clip.name == "recording.wav" else ""
            learner.take(clip.ident, clip.data, clip.name, microphone=microphone)
            bar.empty()
        if fresh:
            if any(clip.name == "recording.wav" for clip in fresh):
                st.session_state["learner-round"] = round_ + 1  # an empty recorder for the next sentence
            st.rerun()
    with right:
        _lines(learner)
    with st.container(horizontal=True):
        ready = progress.enough
        if st.button(f"Enrol {_plain(learner.name)}", type="primary", disabled=not ready, icon=":material/person_add:"):
            _store(learner)
        if st.button("Start over", icon=":material/restart_alt:"):
            _end()
            st.rerun()
    st.checkbox("This really is another person than somebody enrolled who sounds the same", key="learner-same")


def _lines(learner: Learner) -> None:
    if not learner.lines:
        st.info("Each clip is judged at once, and appears here.", icon=":material/rule:")
        return
    good = sum(line.good for line in learner.lines)
    st.markdown(f"**{good} of {len(learner.lines)} utterances are good**")
    with st.container(height=340 if len(learner.lines) > _LINES else "content", border=False, gap="small"):
        for line in learner.lines:
            mark = ":green[:material/check:]" if line.good else ":orange[:material/close:]"
            figures = f"{line.speech_seconds:.1f} s, {line.snr_db:.0f} dB over noise" if line.speech_seconds else ""
            st.markdown(f"{mark} {_plain(line.source)} :gray[{figures}]")
            if line.words:
                st.caption(f"{line.words[:1].upper()}{line.words[1:]}")


def _store(learner: Learner) -> None:
    try:
        person = learner.store("agreed in the studio", same_as_other=bool(st.session_state.get("learner-same")))
    except EarmarkError as error:
        problem(error)
        return
    _end()
    _say(f"{person.name} is enrolled. Try a clip on the page Try a voice.")


def _end() -> None:
    for key in ("learner", "learner-round", "learner-same"):
        st.session_state.pop(key, None)


def _say(words: str) -> None:
    st.session_state["people-done"] = words
    st.rerun()


def _plain(name: str) -> str:
    """A name as text: what Markdown would obey is escaped."""
    return "".join(f"\\{letter}" if letter in r"\`*_{}[]()#+-.!|<>~:$" else letter for letter in name)
