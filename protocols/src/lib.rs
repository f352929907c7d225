//! Bytes of the meter and concentrator protocols: sans-IO framers and codecs.
