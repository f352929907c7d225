//! Virtual concentrators and meters that speak the real bytes, with seeded faults.
