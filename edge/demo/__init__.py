"""A demonstration that needs no microphone, no broker and no people: recorded voices, the real pipeline, a small
broker.
"""
