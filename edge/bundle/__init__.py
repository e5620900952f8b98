"""Bundles: a folder or an ``.earmark`` file in, verified models and their card out.

Takes: the name of an installed bundle, or a path. Gives: ``Bundle``, which turns samples into an ``Embedding``.
Must hold: every file's hash, the card's form, every shape and every weight is checked before anything is computed; a
mismatch refuses with a reason; a stream gives what the whole utterance gives, however it is cut.
"""

from edge.bundle.analyses import NOTICE, Analyses, Unmet, analyses, switchable
from edge.bundle.card import Card, encoder_hash, fingerprint, parse_card, spec_from_json
from edge.bundle.embedding import EmbeddingStream, Statistics, Timings
from edge.bundle.files import pack, read_card, seal
from edge.bundle.label_card import LabelHead, PackCard, Trunk, parse_pack
from edge.bundle.labels import Labels
from edge.bundle.locate import installed_bundles, installed_packs
from edge.bundle.opened import Bundle, open_bundle
from edge.bundle.packs import Pack, open_pack
from edge.bundle.spaces import comparable, enrolment_bundle, in_words, known_spaces

__all__ = [
    "NOTICE",
    "Analyses",
    "Bundle",
    "Card",
    "EmbeddingStream",
    "LabelHead",
    "Labels",
    "Pack",
    "PackCard",
    "Statistics",
    "Timings",
    "Trunk",
    "Unmet",
    "analyses",
    "comparable",
    "encoder_hash",
    "enrolment_bundle",
    "fingerprint",
    "in_words",
    "installed_bundles",
    "installed_packs",
    "known_spaces",
    "open_bundle",
    "open_pack",
    "pack",
    "parse_card",
    "parse_pack",
    "read_card",
    "seal",
    "spec_from_json",
    "switchable",
]
