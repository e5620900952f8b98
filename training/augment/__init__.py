"""Degrades and varies voices, so that a model learns the person and not the room, the microphone or the mood.

Takes float32 mono 16 kHz samples and a numpy ``Generator``, gives samples; see ``augmenter.Augmenter``.
"""

from training.augment.augmenter import Augmenter, room_response
from training.augment.materials import Clips, Materials, load_materials
from training.augment.recipe import AugmentRecipe
from training.augment.seeding import generator

__all__ = ["AugmentRecipe", "Augmenter", "Clips", "Materials", "generator", "load_materials", "room_response"]
