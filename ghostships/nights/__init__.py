"""What one night is made of: configuration, inbox, claims, freshness, revisions, status; `ghostships.nightly` joins them."""
