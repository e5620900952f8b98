"""The page on which somebody speaks, uploads or picks a clip, and sees whose voice it is and why."""

from __future__ import annotations

from typing import Final

import streamlit as st

from edge.bundle import NOTICE
from edge.demo.stage import ASSETS
from edge.records import SAMPLE_RATE, Result
from edge.settings import Settings
from edge.studio import charts
from edge.studio.analysis import CEPSTRA, cepstra, spectrogram
from edge.studio.hearing import Heard, hear, telling
from edge.studio.opened import Opened
from edge.studio.parts import Clip, chart, clips, problem
from edge.studio.visit import keep_tried
from edge.studio.words import figure, flags, label, needed, who, why

_ICONS: Final = {
    "identified": ":material/check_circle:", "unknown": ":material/help:", "uncertain": ":material/contrast:",
    "rejected": ":material/block:",
}  # fmt: skip


def page(opened: Opened) -> None:
    """Draw it."""
    st.title("Try a voice")
    st.markdown("Give it a few seconds of speech. The device's own pipeline says who it is, how sure it is, and why.")
    settings = _settings(opened)
    given = clips("try", bundled=sorted(ASSETS.glob("clip-*.ogg")))
    if not given:
        _empty(opened)
        return
    heard = _heard(opened, given[0], settings)
    st.audio(heard.data)
    for note in heard.notes:
        st.caption(f":material/info: {note}")
    _answers(heard)
    _pictures(opened, heard)


def _empty(opened: Opened) -> None:
    people = opened.session.voiceprints
    if people:
        names = ", ".join(voice.name for voice in people)
        st.info(f"Enrolled: {names}. Record something, or pick a bundled clip.", icon=":material/arrow_upward:")
    else:
        st.info(
            "Nobody is enrolled yet, so every voice will be unknown. Try a clip anyway, or enrol somebody on the page "
            "**People** first.",
            icon=":material/arrow_upward:",
        )
    if outdated := opened.session.outdated:
        st.warning(f"Not compared, since enrolled with another model: {', '.join(outdated)}. Enrol them again.")


def _settings(opened: Opened) -> Settings:
    """The settings, with what the visitor wants told besides whose voice it is."""
    session = opened.session
    heads, privacy = session.bundle.heads, session.settings.privacy
    with st.sidebar, st.expander("Gender and emotion"):
        if not heads:
            st.caption(
                "The model in use tells neither. A pack of label heads does: `models.packs` in the settings, such as "
                "`[gender]`."
            )
            return session.settings
        agreed = st.checkbox(
            "Everybody who is heard here knows and agrees", value=privacy.labels_acknowledged,
            help=f"{NOTICE[:1].upper()}{NOTICE[1:]}.",
        )  # fmt: skip
        on = {kind: st.toggle(f"Tell {kind}", value=getattr(privacy, kind), disabled=not agreed) for kind in heads}
        st.caption("For this visit only; the daemon goes by its settings.")
    return telling(
        session.settings, gender=agreed and on.get("gender", False), emotion=agreed and on.get("emotion", False)
    )


def _heard(opened: Opened, clip: Clip, settings: Settings) -> Heard:
    """What the clip came to: heard once, not at each look at the page."""
    wanted = (clip.ident, settings.privacy, opened.session.store.generation())
    kept = st.session_state.get("try-heard")
    if kept is None or kept[0] != wanted:
        with st.spinner("Listening ..."):
            kept = (wanted, hear(opened.session, clip.data, clip.name, settings))
        st.session_state["try-heard"] = kept
        keep_tried(clip, kept[1].results)
    heard: Heard = kept[1]
    return heard


def _answers(heard: Heard) -> None:
    if heard.nothing is not None:
        problem(heard.nothing)
        return
    st.subheader("Who spoke")
    for number, result in enumerate(heard.results, 1):
        with st.container(border=True, key=f"answer-{number}"):
            _answer(heard, result, number)


def _answer(heard: Heard, result: Result, number: int) -> None:
    decision, utterance = result.decision, result.utterance
    left, right = st.columns([2, 3], gap="medium")
    with left:
        span = f"{utterance.start / SAMPLE_RATE:.1f} to {utterance.end / SAMPLE_RATE:.1f} s"
        st.caption(f"Utterance {number}, {span}")
        st.markdown(f"### {_ICONS[decision.outcome]} {who(decision)}")
        st.markdown(why(decision))
        _badges(result)
    with right:
        if decision.outcome != "rejected" and decision.best is not None and heard.thresholds is not None:
            probability, least = needed(decision)
            columns = st.columns(4)
            columns[0].metric("Probability", probability, help=f"That it is {decision.best.name} and nobody else.")
            columns[1].metric("Needed", least, help="What the profile asks for before it names somebody.")
            columns[2].metric("Speech", figure(utterance.speech_seconds, "s"))
            columns[3].metric("Over noise", f"{utterance.snr_db:.0f} dB")
            chart(charts.evidence(decision, heard.thresholds), f"evidence-{number}")
        else:
            columns = st.columns(3)
            columns[0].metric("Speech", figure(utterance.speech_seconds, "s"))
            columns[1].metric("Over noise", f"{utterance.snr_db:.0f} dB")
            columns[2].metric("Level", f"{utterance.level_dbfs:.0f} dBFS")


def _badges(result: Result) -> None:
    for word in flags(result.decision):
        st.badge(word, color="orange")
    for kind, answer in result.labels.items():
        told, how = label(kind, answer)
        st.badge(f"{kind}: {told}", color="gray" if told == "unsure" else "violet", help=how)


def _pictures(opened: Opened, heard: Heard) -> None:
    st.subheader("What it heard")
    st.markdown("**Waveform**, with what was taken for speech")
    chart(charts.waveform(heard), "waveform")
    st.markdown("**Spectrogram**: which pitches are loud when")
    chart(charts.heat(spectrogram(heard.samples), "Frequency (Hz)", "Level (dB, 0 = full scale)", 220), "spectrogram")
    st.markdown(f"**MFCC** 1 to {CEPSTRA - 1}: the shape of the spectrum, as the front-end describes it to a network")
    picture = cepstra(heard.samples, opened.session.bundle.spec)
    chart(charts.heat(picture, "Coefficient", "Value (dB)", 220), "cepstra")
