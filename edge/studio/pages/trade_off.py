"""The page on which a threshold is chosen on a DET curve."""

from __future__ import annotations

import streamlit as st

from edge.errors import EarmarkError
from edge.studio import maps
from edge.studio.evaluation import TradeOff, read
from edge.studio.opened import Opened
from edge.studio.parts import chart, problem

_COMMAND = "earmark evaluate --bundle {name} --speech ~/speech --json report.json ~/trials/*.tsv"


def page(opened: Opened) -> None:
    """Draw it."""
    st.title("Trade-off")
    st.markdown(
        "A lower threshold names people more often, and strangers too. A report of `earmark evaluate` says how much."
    )
    given = st.file_uploader("Report of `earmark evaluate --json`", type=["json"], key="report")
    if given is None:
        st.info("Make a report with the command below, then drop the file here.", icon=":material/arrow_upward:")
        st.code(_COMMAND.format(name=opened.session.bundle.name), language="shell")
        st.caption("It needs the extra `train`, recordings and lists of trials: docs/evaluation.md.")
        return
    try:
        lists = {one.name: one for one in read(given.getvalue())}
    except EarmarkError as error:
        problem(error)
        return
    chosen = lists[st.selectbox("Trial list", list(lists))]
    _look(chosen)


def _look(found: TradeOff) -> None:
    numbers = list(range(len(found.thresholds)))
    begin = found.profiles.get("balanced")
    start = found.equal_error() if begin is None else found.number_at(begin)
    unit = "log-likelihood ratio" if found.score == "llr" else "cosine"
    number = st.select_slider(
        f"Threshold ({unit}); to the right: stricter",
        options=numbers[::-1],
        value=start,
        format_func=lambda i: f"{found.thresholds[i]:.2f}",
        key=f"threshold-{found.name}",
    )
    far, frr = found.far(number), found.frr(number)
    left, middle, right = st.columns(3)
    left.metric("Strangers let in (FAR)", far.text())
    left.caption(far.range_text())
    middle.metric("Right person refused (FRR)", frr.text())
    middle.caption(frr.range_text())
    equal = found.equal_error()
    right.metric("Equal error rate", f"{(found.far(equal).share + found.frr(equal).share) / 2:.2%}")
    right.caption(f"{found.genuine} genuine and {found.impostors} impostor tests")
    chart(maps.det(found, number), "det")
    st.caption(
        "Detection error trade-off on normal-deviate axes; the diamond is the chosen threshold, the dots are the "
        "bundle's profiles. Intervals take tests for independent (Clopper-Pearson), which makes them hopeful: the same "
        "people speak in many tests. The device's other checks, such as a least amount of speech, are not in the "
        "curve. Choosing a threshold here changes nothing: `--profile` and `decide.profile` do."
    )
