"""The mathematics behind the matching: histories of a silence, and association of calls to silences. No tables, no disk."""
