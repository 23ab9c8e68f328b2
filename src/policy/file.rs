//! The mirror of a rule file: what is written, nothing derived.
