//! Time: sessions, exchanges, retries and supervision, one actor per concentrator and per meter.
