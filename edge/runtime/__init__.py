"""The runtime: an int8 TFLite file in, a function from float32 to float32 out.

Takes: the bytes or the path of a full-int8 model. Gives: ``Network``, ``QuantParams``, ``quantise``, ``dequantise``.
Must hold: the only room that imports an interpreter; LiteRT where it is installed, else tflite-runtime with numpy < 2;
a corrupt model is an error and never a crash; quantisation is written once, here.
"""

from edge.runtime.interpreters import Preference, installed, missing_remedy
from edge.runtime.network import Network
from edge.runtime.quantise import QuantParams, dequantise, quantise

__all__ = ["Network", "Preference", "QuantParams", "dequantise", "installed", "missing_remedy", "quantise"]
