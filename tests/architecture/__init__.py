"""Rules of the house that no single module can keep: what imports what, what is explained, what is never written."""
