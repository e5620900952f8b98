"""Draws from a recipe and applies it: another voice, another place, hidden features.

Takes float32 mono 16 kHz samples (full scale 1.0) or feature matrices and a numpy ``Generator``. Must hold: what comes
out is determined by the samples, the materials, the recipe and the state of the generator alone; ``degrade`` keeps
length and alignment; nothing leaves full scale.
"""

from __future__ import annotations

from functools import lru_cache
from math import exp, log

import numpy as np

from edge.records import Float32
from training.augment import backgrounds, channel, codecs, spectral
from training.augment.levels import add_noise, rms, to_rms, under_full_scale
from training.augment.materials import Materials
from training.augment.recipe import AugmentRecipe, Range
from training.augment.rooms import Response, draw_room, simulate
from training.augment.seeding import generator
from training.augment.voices import Prosody, change

Told = tuple[Float32, tuple[str, ...]]


class Augmenter:
    """Applies a recipe. Cheap to make and to pickle; rooms are simulated when they are first drawn, then kept."""

    def __init__(self, materials: Materials, recipe: AugmentRecipe) -> None:
        """Remember both; no audio is read yet."""
        self.materials = materials
        self.recipe = recipe

    def voice(self, samples: Float32, rng: np.random.Generator) -> Float32:
        """Change who speaks, or how: speed, pitch, formants, tempo, melody. The length may change."""
        return self.voice_told(samples, rng)[0]

    def voice_told(self, samples: Float32, rng: np.random.Generator) -> Told:
        """As ``voice``, and what was done, in words; nothing where the voice was kept."""
        recipe, told = self.recipe, list[str]()
        ratios = {"speed": 1.0, "pitch": 1.0, "formant": 1.0, "tempo": 1.0}
        prosody: Prosody | None = None
        if rng.random() < recipe.voice_kept:
            return samples, ()
        if rng.random() < recipe.speed:
            ratios["speed"] = _log_uniform(recipe.speed_ratio, rng)
            told.append(f"speed x {ratios['speed']:.2f}")
        if rng.random() < recipe.pitch:
            semitones = float(rng.uniform(*recipe.pitch_semitones))
            ratios["pitch"] = 2.0 ** (semitones / 12)
            told.append(f"pitch {semitones:+.1f} semitones, formants kept")
        if rng.random() < recipe.formant:
            ratios["formant"] = _log_uniform(recipe.formant_ratio, rng)
            told.append(f"formants x {ratios['formant']:.2f}, pitch kept")
        if rng.random() < recipe.tempo:
            ratios["tempo"] = _log_uniform(recipe.tempo_ratio, rng)
            told.append(f"tempo x {ratios['tempo']:.2f}")
        if rng.random() < recipe.prosody:
            semitones = float(rng.uniform(*recipe.prosody_semitones))
            loudness_db = float(rng.uniform(*recipe.prosody_loudness_db))
            prosody = Prosody.drawn(semitones, loudness_db, rng)
            told.append(f"melody of {semitones:.1f} semitones and {loudness_db:.1f} dB laid over")
        if not told:
            return samples, ()
        return change(np.asarray(samples, np.float32), prosody=prosody, **ratios), tuple(told)

    def degrade(self, samples: Float32, rng: np.random.Generator) -> Float32:
        """Change where and with what it was recorded. Same length, in line with the input, within full scale."""
        return self.degrade_told(samples, rng)[0]

    def degrade_told(self, samples: Float32, rng: np.random.Generator) -> Told:
        """As ``degrade``, and what was done, in words and in order; nothing where all was kept."""
        told: list[str] = []
        if rng.random() < self.recipe.place_kept or not len(samples):
            return under_full_scale(samples), ()
        result = np.asarray(samples, np.float32)
        result = self._in_room(result, rng, told)
        result = self._with_background(result, rng, told)
        result = self._through_microphone(result, rng, told)
        result = self._over_the_wire(result, rng, told)
        return under_full_scale(result), tuple(told)

    def spec(self, features: Float32, rng: np.random.Generator) -> Float32:
        """Hide stretches and bands of ``features``, float32 ``(frames, bands)``; gives a new array."""
        return spectral.mask(features, self.recipe, rng)

    def _in_room(self, samples: Float32, rng: np.random.Generator, told: list[str]) -> Float32:
        if rng.random() >= self.recipe.room:
            return samples
        measured = self.materials.responses
        if measured and rng.random() < self.recipe.measured_room:
            response = measured[int(rng.integers(len(measured)))]
        else:
            response = self._simulated(rng)
        told.append(response.words)
        return to_rms(response.apply(samples), rms(samples))

    def _simulated(self, rng: np.random.Generator) -> Response:
        recipe = self.recipe
        number = int(rng.integers(recipe.rooms))
        return room_response(recipe.room_seed, number, recipe.rt60_seconds, recipe.distance_metres)

    def _with_background(self, speech: Float32, rng: np.random.Generator, told: list[str]) -> Float32:
        recipe, length, result = self.recipe, len(speech), speech
        if len(self.materials.noises) and rng.random() < recipe.noise:
            noise, name = backgrounds.household(self.materials.noises, length, rng)
            part = rng.random() < recipe.noise_in_part
            noise = backgrounds.in_part(noise, rng) if part else noise
            snr_db = float(rng.uniform(*recipe.noise_snr_db))
            told.append(f"noise {name}{' for a while' if part else ''} at {snr_db:.1f} dB")
            result = result + (add_noise(speech, noise, snr_db) - speech)
        if len(self.materials.speech) and rng.random() < recipe.babble:
            voices = int(rng.integers(recipe.babble_voices_least, recipe.babble_voices_most + 1))
            others = backgrounds.babble(self.materials.speech, voices, length, rng)
            if rng.random() < recipe.room:
                others = self._simulated(rng).apply(others)
            snr_db = float(rng.uniform(*recipe.babble_snr_db))
            told.append(f"{voices} other voices at {snr_db:.1f} dB")
            result = result + (add_noise(speech, others, snr_db) - speech)
        if rng.random() < recipe.coloured:
            slope = float(rng.uniform(*recipe.coloured_slope))
            snr_db = float(rng.uniform(*recipe.coloured_snr_db))
            told.append(f"noise falling as 1/f^{slope:.1f} at {snr_db:.1f} dB")
            result = result + (add_noise(speech, backgrounds.coloured(slope, length, rng), snr_db) - speech)
        return result

    def _through_microphone(self, samples: Float32, rng: np.random.Generator, told: list[str]) -> Float32:
        recipe, result = self.recipe, samples
        if rng.random() < recipe.microphone:
            depth_db = float(rng.uniform(*recipe.microphone_db))
            result = channel.colour(result, rng.uniform(-depth_db, depth_db, 8))
            told.append(f"microphone with a response within {depth_db:.0f} dB")
        if rng.random() < recipe.hum:
            level_dbfs = float(rng.uniform(*recipe.hum_dbfs))
            result = result + channel.hum(len(result), rng) * np.float32(10 ** (level_dbfs / 20))
            told.append(f"mains hum at {level_dbfs:.0f} dBFS")
        if rng.random() < recipe.dc:
            offset = float(rng.uniform(*recipe.dc_offset)) * (1 if rng.random() < 0.5 else -1)
            result = result + np.float32(offset)
            told.append(f"offset of {offset:+.3f}")
        if rng.random() < recipe.clipping:
            share = _log_uniform(recipe.clipped_share, rng)
            result = channel.clip(result, share)
            told.append(f"loudest {100 * share:.1f} % of the samples cut off")
        if rng.random() < recipe.gain:
            gain_db = float(rng.uniform(*recipe.gain_db))
            result = result * np.float32(10 ** (gain_db / 20))
            told.append(f"gain {gain_db:+.0f} dB")
        return under_full_scale(result)

    def _over_the_wire(self, samples: Float32, rng: np.random.Generator, told: list[str]) -> Float32:
        result = samples
        if rng.random() < self.recipe.band_limit:
            band = channel.BANDS[int(rng.integers(len(channel.BANDS)))]
            result = channel.limit_band(result, band)
            told.append(band.words)
        if rng.random() < self.recipe.codec and codecs.codecs():
            codec = codecs.draw(rng)
            result = codec.round_trip(result)
            told.append(codec.words)
        return result


@lru_cache(maxsize=512)
def room_response(seed: int, number: int, rt60_seconds: Range, distance_metres: Range) -> Response:
    """Give room ``number`` of the bank that ``seed`` and the ranges describe; made once per process."""
    rng = generator(seed, f"room {number}")
    return simulate(draw_room(rt60_seconds, distance_metres, rng), rng)


def _log_uniform(limits: Range, rng: np.random.Generator) -> float:
    low, high = limits
    return exp(float(rng.uniform(log(low), log(high)))) if low > 0 else float(rng.uniform(low, high))
