"""From recordings to batches: the data side of training, the same for seven hours of speech and for seven thousand.

Takes a folder of speech with its manifest and a ``FeatureSpec``; gives batches of normalised features with a seed, an
epoch and a step. ``executors`` spreads work over processes or machines; ``plan`` and ``prepare`` turn clips into
shards of features (``shards``); ``store`` reads them by memory map; ``batches`` draws from a store, ``feeds`` hands
batches to Keras, ``distributed`` joins several training processes; ``check`` compares a manifest with its files.

Must hold: memory is bounded by a clip, a batch and an index, never by the corpus; nothing is dropped silently; the
features are those of ``edge.features``.
"""
